/** What a stranger wrote into a Contact must not act on the terminal of the administrator who looks at it, nor make lines of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { adapters } from '../../plugin/app/adapters.ts';
import { createLogger } from '../../plugin/app/log.ts';
import { paint, say } from '../../plugin/commands/terminal.ts';
import type { Target } from '../../plugin/core/binding.ts';
import { pushParamsOf } from '../../plugin/core/push-params.ts';
import { DAY } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { bindingEndingIn, recordOf } from '../support/builders.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { inProcess } from './command.ts';

/** Clears the screen, makes a line of its own, in 7 and in 8 bits, and turns the direction. */
const EVIL = '\u001b[2J\r\n9999@example.com  all well\u009b2J\u202e\u007f';

describe('at the door', () => {
  const escaped = encodeURIComponent(EVIL);
  it.each([
    ['mod_apn', `app-id=${escaped};pn-voip-tok=aa;pn-im-tok=bb`],
    ['mod_apn with an ending', `app-id=org.example${escaped}.voip.dev;pn-im-tok=bb`],
    ['mod_apn on Android', `app-id=${escaped};pn-voip-tok=aa;pn-platform=android`],
    ['mod_apn, platform', `app-id=a;pn-voip-tok=aa;pn-platform=${escaped}`],
    ['mod_apn, token', `app-id=a;pn-voip-tok=${escaped}`],
    ['Linphone before RFC 8599', `pn-type=apple;app-id=${escaped};pn-tok=c8`],
    ['Linphone before RFC 8599, Android', `pn-type=firebase;app-id=${escaped};pn-tok=c8`],
    ['Linphone before RFC 8599, service', `pn-type=${escaped};app-id=a;pn-tok=c8`],
    ['RFC 8599, app', `pn-provider=apns;pn-param=${escaped};pn-prid=c8`],
    ['RFC 8599, app of FCM', `pn-provider=fcm;pn-param=${escaped};pn-prid=c8`],
    ['RFC 8599, app of a service we do not know', `pn-provider=x;pn-param=${escaped};pn-prid=c8`],
    ['RFC 8599, service', `pn-provider=${escaped};pn-param=a;pn-prid=c8`],
    ['RFC 8599, token', `pn-provider=fcm;pn-param=a;pn-prid=${escaped}`],
    ['web push', `pn-provider=webpush;pn-prid=${encodeURIComponent('https://p.example/')}${escaped}`],
  ])('%s: it is unreadable', (_, params) => {
    expect(pushParamsOf(`sip:1001@10.0.0.9;${params}`)).toMatchObject({ kind: 'unreadable' });
  });

  it('the app an administrator named in the directory is checked like the others', () => {
    expect(pushParamsOf('sip:1001@10.0.0.9;pn-voip-tok=aa', EVIL)).toMatchObject({ kind: 'unreadable' });
  });
});

describe('at the exits', () => {
  let folder: string;
  let config: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pushwake-evil-'));
    config = join(folder, 'pushwake.yaml');
    writeFileSync(
      config,
      `store: { type: sqlite, path: ${join(folder, 'bindings.db')} }
pbx: { office: { type: freeswitch, port: 1, password: x, realm: example.com } }
push: { log: {} }
`,
      { mode: 0o600 },
    );
    const module = (await adapters()).store.get('sqlite');
    const clock = systemClock();
    const store = module?.create({ path: join(folder, 'bindings.db') }, { clock, log: new RecordedLog(), name: 's' });
    await store?.open();
    // As an older version may have stored it.
    const call: Target = { provider: 'apns', app: EVIL, token: new Token('aa') };
    const contact = { pbx: 'office', uri: `sip:1001@${EVIL.replace(/\s/g, '')}`, seenAt: clock.now() };
    const binding = { ...bindingEndingIn(6 * DAY, clock.now()), targets: { call, other: call }, contacts: [contact] };
    await store?.put(recordOf(binding), 0);
    await store?.close();
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    [['bindings', 'list']],
    [['bindings', 'list', '--json']],
    [['bindings', 'show', '1001']],
    [['bindings', 'show', '1001', '--json']],
    [['explain', '1001']],
    [['explain', '1001', '--json']],
    [['bindings', 'show', 'no\u001b[2Jbody']],
  ])('%j: nothing unseen but its own line ends', async (args) => {
    const ran = await inProcess(...args, '-c', config);
    const said = ran.stdout + ran.stderr;
    expect(said).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    expect(said).not.toMatch(/^9999@example\.com/m);
    // Control: something was printed, and the hostile text is part of it.
    expect(said).toMatch(/\\u001b|nothing is stored/);
  });

  it('the log', () => {
    let written = '';
    const to = new Writable({
      write: (chunk, _encoding, done) => {
        written += String(chunk);
        done();
      },
    });
    createLogger('info', to).info({ app: EVIL }, 'said');
    expect(written).toMatch(/^[\x20-\x7e]+\n$/);
    expect(JSON.parse(written)).toMatchObject({ app: EVIL, msg: 'said' });
  });

  it('our own colours are colours, a stranger’s are text', () => {
    vi.stubEnv('FORCE_COLOR', '1');
    const written: string[] = [];
    const caught = vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
    try {
      say(`${paint('red', 'down')} \u001b[32mup\u001b[39m`);
    } finally {
      caught.mockRestore();
      vi.unstubAllEnvs();
    }
    expect(written.join('')).toBe('\u001b[31mdown\u001b[39m \\u001b[32mup\\u001b[39m\n');
  });
});
