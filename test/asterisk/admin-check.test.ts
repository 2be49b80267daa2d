/**
 * `pushwake check` on a real Asterisk: nothing to say of one that is set up as the getting-started page says, and each
 * misconfiguration, planted by itself, is named. One Asterisk, reconfigured and reloaded per row.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkAll, type GroupedFinding } from '../../plugin/commands/check.ts';
import { load } from '../../plugin/commands/setup.ts';
import { PLAIN_DIALPLAN, passwordOf, type RunningAsterisk, startAsterisk } from '../support/asterisk/index.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';
import { freeUdpPort, shipped } from '../support/scene.ts';
import { SipPhone } from '../support/sip-phone/index.ts';

const CLI = fileURLToPath(new URL('../../plugin/cli.ts', import.meta.url));
const OLD_DIALPLAN = fileURLToPath(new URL('./fixtures/pushwake-extensions-0.1.0.conf', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pushwake-check-'));
const file = join(folder, 'pushwake.yaml');
const healthyUser = { rewriteContact: true } as const;

let asterisk: RunningAsterisk;
let hepPort: number;
let adminPort: number;
let devicesPort: number;

beforeAll(async () => {
  hepPort = await freeUdpPort();
  adminPort = await freeUdpPort();
  devicesPort = await freeUdpPort();
  asterisk = await startAsterisk({
    name: `check-${process.pid}`,
    users: [
      { id: '1001', ...healthyUser },
      { id: '1002', ...healthyUser },
    ],
    modules: ['res_http_websocket', 'res_pjsip_transport_websocket', 'res_srtp'],
    extensions: `${PLAIN_DIALPLAN}exten => 700,1,Queue(sales,t,,,60)\n`,
    snippets: [
      { file: shipped('pushwake-extensions.conf'), into: 'extensions.conf' },
      { file: shipped('pushwake-webrtc.conf'), into: 'pjsip.conf' },
      { file: shipped('pushwake-ari.conf'), into: 'ari.conf', replace: [['CHANGE-ME', 'check-ari-secret']] },
      {
        file: shipped('pushwake-hep.conf'),
        into: 'hep.conf',
        replace: [
          ['CHANGE-ME', 'check-hep-secret'],
          ['127.0.0.1:9060', `127.0.0.1:${hepPort}`],
        ],
      },
    ],
  });
});
afterAll(async () => {
  await asterisk?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const yaml = () => `mode: full
store: { type: sqlite, path: ${join(folder, 'bindings.db')} }
pbx:
  office:
    type: asterisk
    url: http://127.0.0.1:${asterisk.ports.ari}
    password: check-ari-secret
    realm: example.com
    hep: { listen: "127.0.0.1:${hepPort}", password: check-hep-secret }
push:
  log: {}
http:
  admin: { listen: "127.0.0.1:${adminPort}" }
`;

async function check(text = yaml()): Promise<GroupedFinding[]> {
  writeFileSync(file, text, { mode: 0o600 });
  const findings: GroupedFinding[] = [];
  for await (const finding of checkAll(file, await load(file), true)) findings.push(finding);
  return findings;
}

const told = (findings: readonly GroupedFinding[]) =>
  findings.filter((f) => f.level !== 'ok').map((f) => `${f.level} ${f.group} ${f.what}: ${f.found}`);

interface Row {
  readonly what: string;
  /** The file of Asterisk that is changed, and how. A text that does not occur is an error of the row. */
  readonly edit?: readonly [file: string, search: string | RegExp, replacement: string];
  /** The same in pushwake.yaml. */
  readonly yaml?: readonly [search: string | RegExp, replacement: () => string];
  /** Commands of Asterisk's console: to make it so, and to undo it. */
  readonly cli?: readonly string[];
  readonly undo?: readonly string[];
  /** Every finding that is not ok, in order. */
  readonly names: readonly RegExp[];
}

/** Asterisk takes a file of the same second for the same file. */
let stamp = Date.now() / 1_000;
function write(path: string, text: string): void {
  writeFileSync(path, text);
  stamp += 2;
  utimesSync(path, stamp, stamp);
}

const ARI = ['module reload res_ari.so'];
const PJSIP = ['module reload res_pjsip.so'];
const HEP = ['module reload res_hep.so'];
const DIALPLAN = ['dialplan reload'];
const HIDDEN = /^warn pbx\.office dialplan: its contexts cannot be seen/;

const ROWS: readonly Row[] = [
  {
    what: 'ARI is off',
    edit: ['ari.conf', 'enabled=yes', 'enabled=no'],
    cli: ARI,
    names: [/^fail pbx\.office ARI login: there is an HTTP server at .*, but no ARI/],
  },
  {
    what: 'the port is another one',
    yaml: [/url: .*/, () => 'url: http://127.0.0.1:1'],
    names: [/^fail pbx\.office ARI login: nothing answers at http:\/\/127\.0\.0\.1:1 \(/],
  },
  {
    what: 'the password is wrong',
    yaml: ['check-ari-secret', () => 'something-else'],
    names: [/^fail pbx\.office ARI login: Asterisk at .* refuses user pushwake \(401\)/],
  },
  {
    what: 'there is no such user',
    edit: ['ari.conf', /#include "snippet-pushwake-ari.conf"/, ''],
    cli: ARI,
    names: [/^fail pbx\.office ARI login: Asterisk at .* refuses user pushwake \(401\)/],
  },
  {
    what: 'the ACL of the user does not let this machine in',
    edit: ['snippet-pushwake-ari.conf', 'read_only = no', 'read_only = no\ndeny = 127.0.0.0/8'],
    cli: ARI,
    names: [/^fail pbx\.office ARI login: the ACL of user pushwake at .* does not let this machine in \(403\)/],
  },
  {
    what: 'the user may only read',
    edit: ['snippet-pushwake-ari.conf', 'read_only = no', 'read_only = yes'],
    cli: ARI,
    names: [/^fail pbx\.office ARI rights: user pushwake may only read/, HIDDEN],
  },
  {
    what: 'app_stasis is not loaded',
    cli: ['module unload app_stasis.so'],
    undo: ['module load app_stasis.so'],
    names: [/^fail pbx\.office modules: app_stasis\.so is not running/, HIDDEN],
  },
  ...['func_timeout', 'func_pjsip_contact', 'app_stack', 'res_pjsip_header_funcs'].map((name) => ({
    what: `${name} is not loaded`,
    cli: [`module unload ${name}.so`],
    undo: [`module load ${name}.so`],
    names: [new RegExp(`^fail pbx\\.office modules: ${name}\\.so is not running`)],
  })),
  {
    what: 'the contexts cannot be seen',
    cli: ['module unload func_dialplan.so'],
    undo: ['module load func_dialplan.so'],
    names: [/^warn pbx\.office dialplan: its contexts cannot be seen without func_dialplan\.so/],
  },
  {
    what: 'the dialplan is not included',
    edit: ['extensions.conf', /#include "snippet-pushwake-extensions.conf"/, ''],
    cli: DIALPLAN,
    names: [/^fail pbx\.office dialplan: context pushwake, pushwake-device, .*, pushwake-header is missing/],
  },
  {
    what: 'the file of 0.1.0 is still there',
    edit: ['snippet-pushwake-extensions.conf', /[\s\S]*/, readFileSync(OLD_DIALPLAN, 'utf8').replaceAll('$', '$$$$')],
    cli: DIALPLAN,
    names: [/^warn pbx\.office dialplan: pushwake-extensions\.conf is an old copy: this pushwake came with v\d+/],
  },
  {
    what: 'the file is of another version',
    edit: ['snippet-pushwake-extensions.conf', /^exten => v\d+,/m, 'exten => v1,'],
    cli: DIALPLAN,
    names: [
      /^fail pbx\.office dialplan: pushwake-extensions\.conf is v1, with which Asterisk can crash, and this pushwake came with v\d+$/,
    ],
  },
  ...[
    'pushwake-legs',
    'pushwake-device',
    'pushwake-stored',
    'pushwake-late',
    'pushwake-fallback',
    'pushwake-header',
  ].map((context) => ({
    what: `context ${context} is missing`,
    edit: ['snippet-pushwake-extensions.conf', `[${context}]`, `[${context}-gone]`] as const,
    cli: DIALPLAN,
    names: [new RegExp(`^fail pbx\\.office dialplan: context ${context} is missing`)],
  })),
  ...[/(?<=MSet\()_PUSHWAKE_APP=pushwake/g, /(?<=UNAVAILABLE,)_PUSHWAKE_APP=pushwake/g].map((line) => ({
    what: `the dialplan asks another application in ${line.source}`,
    edit: ['snippet-pushwake-extensions.conf', line, '_PUSHWAKE_APP=other'] as const,
    cli: DIALPLAN,
    names: [/^fail pbx\.office dialplan: it asks the Stasis application other, and pushwake’s is pushwake$/],
  })),
  {
    what: 'a burst of events makes PJSIP refuse calls',
    edit: ['pjsip.conf', 'taskprocessor_overload_trigger=pjsip_only', 'taskprocessor_overload_trigger=global'],
    cli: PJSIP,
    names: [/^warn pbx\.office taskprocessor_overload_trigger: is global: a burst of calls/],
  },
  {
    what: 'the same, by default',
    edit: ['pjsip.conf', 'taskprocessor_overload_trigger=pjsip_only', ''],
    cli: PJSIP,
    names: [/^warn pbx\.office taskprocessor_overload_trigger: is global/],
  },
  {
    what: 'sleeping phones are qualified',
    edit: ['pjsip.conf', 'qualify_frequency=0', 'qualify_frequency=60'],
    cli: PJSIP,
    names: [/^warn pbx\.office qualify_frequency: is 60: .* \(1001\)$/],
  },
  {
    what: 'one contact, and the new one is refused',
    edit: ['pjsip.conf', 'max_contacts=10', 'max_contacts=1'],
    cli: PJSIP,
    names: [/^fail pbx\.office max_contacts: is 1 with remove_existing=no: .* \(1001\)$/],
  },
  {
    what: 'rewrite_contact is off',
    edit: ['pjsip.conf', /rewrite_contact=yes/g, 'rewrite_contact=no'],
    cli: PJSIP,
    names: [/^warn pbx\.office rewrite_contact: is off: .* \(1001, 1002\)$/],
  },
  {
    what: 'path is on for some accounts only',
    edit: ['pjsip.conf', 'support_path=no', 'support_path=yes'],
    cli: PJSIP,
    names: [/^warn pbx\.office support_path: is off here and on elsewhere: .* \(1002\)$/],
  },
  {
    what: 'endpoint and AOR have different names, which is nobody’s fault',
    edit: ['pjsip.conf', /aors=1001([\s\S]*)\[1001\]\(user-aor\)/, 'aors=other$1[other](user-aor)'],
    cli: PJSIP,
    names: [],
  },
  {
    what: 'a hint names our leg',
    edit: ['extensions.conf', '[internal]', '[internal]\nexten => 1001,hint,Local/1001@pushwake/n'],
    cli: DIALPLAN,
    names: [/^warn pbx\.office hints: name Local\/…@pushwake, which is idle while the phone talks: .* \(1001\)$/],
  },
  {
    what: 'an option of Dial cannot reach the phone',
    edit: ['extensions.conf', '[internal]', '[internal]\nexten => 77,1,Dial(Local/1001@pushwake/n,20,tI)'],
    cli: DIALPLAN,
    names: [/^warn pbx\.office dial strings: option I or o of a Dial cannot hold .*: 77,1,Dial\(Local/],
  },
  {
    what: 'a queue member has no state of its own',
    edit: ['queues.conf', /$/, '\n[sales]\nmember => Local/1001@pushwake/n,0,Anna\n'],
    names: [/^warn pbx\.office queue members: Local\/…@pushwake without a hint as its state: .* \(1001\)$/],
  },
  {
    what: 'HEP is off in hep.conf',
    edit: ['snippet-pushwake-hep.conf', 'enabled = yes', 'enabled = no'],
    cli: HEP,
    names: [/^fail pbx\.office HEP: hep\.conf says enabled = no$/],
  },
  {
    what: 'HEP goes to another port',
    edit: ['snippet-pushwake-hep.conf', /capture_address = .*/, 'capture_address = 127.0.0.1:1'],
    cli: HEP,
    names: [/^fail pbx\.office HEP: hep\.conf sends to 127\.0\.0\.1:1, and pushwake listens on 127\.0\.0\.1:\d+$/],
  },
  {
    what: 'the HEP passwords differ',
    edit: ['snippet-pushwake-hep.conf', 'check-hep-secret', 'other'],
    cli: HEP,
    names: [/^fail pbx\.office HEP: capture_password of hep\.conf and hep\.password of pushwake\.yaml differ$/],
  },
  {
    what: 'hep.conf is empty',
    edit: ['hep.conf', /[\s\S]*/, ''],
    names: [/^fail pbx\.office HEP: hep\.conf is missing or says nothing$/],
  },
  {
    what: 'res_hep_pjsip is not loaded',
    cli: ['module unload res_hep_pjsip.so'],
    undo: ['module load res_hep_pjsip.so'],
    names: [/^fail pbx\.office HEP: res_hep_pjsip\.so is not running$/],
  },
  {
    what: 'HEP is not configured here',
    yaml: [/ {4}hep: .*\n/, () => ''],
    names: [/^warn pbx\.office HEP: is not configured/],
  },
  {
    what: 'the key of the push service is missing',
    yaml: [
      'log: {}',
      () =>
        'apns: { apps: [{ teamId: TEAM123456, bundleId: com.example.phone, keyId: KEY1234567, key: /nowhere.p8 }] }',
    ],
    names: [/^fail push\.apns key: push\.apns\.apps\[0\]\.key: \/nowhere\.p8 cannot be read \(ENOENT\)/],
  },
  {
    what: 'there is no push service',
    yaml: ['push:\n  log: {}\n', () => ''],
    names: [/^fail push push services: there is none/],
  },
];

describe('an Asterisk as the getting-started page sets it up', () => {
  it('has nothing to be told', async () => {
    const findings = await check();
    expect(told(findings)).toEqual([]);
    const groups = new Set(findings.map((f) => f.group));
    expect([...groups]).toEqual(['pushwake', 'store', 'pbx.office', 'push.log', 'http']);
    expect(findings.map((f) => `${f.what}: ${f.found}`)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^Asterisk version: \d+\./),
        expect.stringMatching(/^clocks: Asterisk’s differs from ours by less than 1 s$/),
        expect.stringMatching(/^modules: all \d+ that are needed are running$/),
        expect.stringMatching(/^dialplan: all \d+ contexts are loaded, version v\d+; of several nodes it /),
        'accounts: 2 of 2 have every setting as it should be',
      ]),
    );
  });

  it('is left as it was: no channel, no application, no call detail record', async () => {
    await asterisk.waitForNoChannels();
    await expect.poll(() => asterisk.cli('ari show apps'), { timeout: 5_000 }).not.toMatch(/pushwake/);
    expect(asterisk.cdrText()).toBe('');
  });
});

describe('planted:', () => {
  it.each(ROWS)('$what', async ({ edit, yaml: change, cli = [], undo = cli, names }) => {
    const path = edit ? join(asterisk.folder, 'etc', edit[0]) : '';
    const before = edit ? readFileSync(path, 'utf8') : '';
    try {
      if (edit) {
        const after = before.replace(edit[1], edit[2]);
        expect(after, 'the row changes something').not.toBe(before);
        write(path, after);
      }
      for (const command of cli) await asterisk.cli(command);
      const text = change ? yaml().replace(change[0], change[1]) : yaml();
      const found = told(await check(text));
      expect(found.length, found.join('\n')).toBe(names.length);
      for (const [i, name] of names.entries()) expect(found[i]).toMatch(name);
      // No secret, whatever is wrong.
      expect(JSON.stringify(found)).not.toMatch(/check-(ari|hep)-secret/);
    } finally {
      if (edit) write(path, before);
      for (const command of undo) await asterisk.cli(command);
    }
  });
});

describe('a phone in the browser', () => {
  const INCLUDE = '#include "snippet-pushwake-webrtc.conf"\n';
  const path = () => join(asterisk.folder, 'etc', 'pjsip.conf');
  const before = () => readFileSync(path(), 'utf8');
  const ofBrowsers = (at: string) =>
    `${yaml().replace('log: {}', `log: {}\n  webpush: { subject: "mailto:a@example.com", privateKey: kG3rRz9U5h0yAaJr0mXqPj3t0XwM9J9v1l7iB3o5Y1E }`)}  devices: { listen: "127.0.0.1:${devicesPort}", accountSecret: a-secret-of-24-characters-, phone: { wss: "ws://localhost:${asterisk.ports.ari}${at}" } }
`;

  it('as `init --webrtc` writes it, with an endpoint of the template: nothing to be told', async () => {
    const was = before();
    // The include stands at the end here; the template is known below the beginning alone.
    const text = was.replace(INCLUDE, '').replace('[1002](user-endpoint)', '[1002](user-endpoint,pushwake-webrtc)');
    try {
      write(path(), `${INCLUDE}${text}`);
      for (const command of PJSIP) await asterisk.cli(command);
      const findings = await check(ofBrowsers('/ws'));
      expect(told(findings)).toEqual([]);
      const seen = findings.filter((f) => /WebRTC|browsers/.test(f.what)).map((f) => f.found);
      expect(seen).toEqual([
        '1 of 2 endpoints speak it',
        'there is a transport for WebSockets',
        expect.stringMatching(/nobody to serve it, as pushwake is stopped/),
        expect.stringMatching(/^ws:.*\/ws takes SIP, for a browser on this machine alone$/),
      ]);
      write(path(), `${INCLUDE}${text.replace('[1002](user-endpoint,pushwake-webrtc)', '$&\nallow=!all,g722')}`);
      for (const command of PJSIP) await asterisk.cli(command);
      expect(told(await check(ofBrowsers('/')))).toEqual([
        expect.stringMatching(/^fail pbx\.office WebRTC: no codec that a browser has: .* \(1002\)$/),
        expect.stringMatching(/^fail http\.devices\.phone WebSocket for browsers: .*no WebSocket there \(404\)$/),
      ]);
    } finally {
      write(path(), was);
      for (const command of PJSIP) await asterisk.cli(command);
    }
  });

  it('no endpoint of a browser, and no SIP over the WebSocket', async () => {
    await asterisk.cli('module unload res_pjsip_transport_websocket.so');
    try {
      expect(told(await check(ofBrowsers('/ws')))).toEqual([
        expect.stringMatching(/^fail pbx\.office WebRTC: no endpoint has webrtc = yes/),
        expect.stringMatching(
          /^fail http\.devices\.phone WebSocket for browsers: .*refuses SIP over WebSocket \(400\)$/,
        ),
      ]);
    } finally {
      await asterisk.cli('module load res_pjsip_transport_websocket.so');
    }
  });
});

describe('the command', () => {
  const run = (...args: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
      execFile(process.execPath, [CLI, ...args, '-c', file], (error, stdout, stderr) =>
        done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
    });

  it('with pushwake stopped: exit code 0; status cannot be asked: 3', async () => {
    writeFileSync(file, yaml(), { mode: 0o600 });
    const checked = await run('check', '--offline');
    expect(checked.stdout.trimEnd().split('\n').at(-1)).toMatch(/^\d+ ok, 0 to look at, 0 failed$/);
    expect(checked.code).toBe(0);
    const status = await run('status');
    expect(status).toMatchObject({ code: 3, stdout: '' });
    expect(status.stderr).toMatch(/^no pushwake answers on 127\.0\.0\.1:\d+ \(ECONNREFUSED\); does it run\?$/m);
  });

  it('while it runs: asks it, sees HEP come, and shows, tests and drops a binding', async () => {
    const token = '{ name: me, role: operate, token: a-token-of-24-characters }';
    const text = yaml().replace(/(admin: \{.*) \}/, `$1, tokens: [${token}] }`);
    const pushwake = new PushwakeProcess(file);
    pushwake.configure(text);
    const phone = new SipPhone({
      user: '1001',
      password: passwordOf({ id: '1001' }),
      server: { host: asterisk.host, ...asterisk.ports },
      transport: 'udp',
    });
    try {
      await pushwake.start();
      await pushwake.waitForLog((l) => l.msg === 'pbx link up');
      const silent = await check(text);
      expect(told(silent)).toEqual(['warn pbx.office HEP: nothing has come since pushwake started']);
      await phone.open();
      await phone.register({ contactParams: ';pn-provider=log;pn-param=app;pn-prid=the-token-of-the-phone' });
      await pushwake.waitForLog((l) => l.msg === 'binding bound');

      const findings = await check(text);
      expect(told(findings)).toEqual([]);
      expect(findings.map((f) => `${f.what}: ${f.found}`)).toEqual(
        expect.arrayContaining([
          'running pushwake: answers, its links are up, nothing is wrong',
          'Stasis application: pushwake is connected as pushwake',
          expect.stringMatching(/^HEP: [1-9]\d* REGISTERs have come$/),
          expect.stringMatching(/bindings\.db can be opened, in use by the running pushwake$/),
        ]),
      );

      const status = await run('status', '--json');
      expect(status.code).toBe(0);
      expect(JSON.parse(status.stdout)).toMatchObject({
        ready: true,
        mode: 'full',
        links: { office: true },
        services: [{ provider: 'log', queued: 0 }],
        bindings: { fresh: 1, ending: 0 },
        wrong: [],
      });
      const shown = await run('bindings', 'show', '1001');
      expect(shown.stdout).toMatch(/Seen at 127\.0\.0\.1:\d+ on office \d+ min ago\./);
      expect(shown.stdout).not.toContain('the-token-of-the-phone');
      const tested = await run('push-test', '1001', '--json');
      expect({ code: tested.code, ...JSON.parse(tested.stdout) }).toMatchObject({
        code: 0,
        by: 'running',
        tests: [{ provider: 'log', level: 'ok' }],
      });
      expect(await run('bindings', 'drop', '1001')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--yes'),
      });
      const from = pushwake.log.length;
      const dropped = await run('bindings', 'drop', '1001', '--yes', '--json');
      expect(JSON.parse(dropped.stdout)).toMatchObject({ aor: '1001@example.com', by: 'running' });
      await pushwake.waitForLog((l) => l.msg === 'binding ended', { from });
    } finally {
      await phone.close();
      await pushwake.stop();
    }
  }, 60_000);
});
