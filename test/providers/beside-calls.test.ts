/**
 * What reaches a phone beside calls: each event, from each PBX in its own words, through its adapter and the runtime, to the payload of each
 * service. Prints the table of docs/push-services.md; `UPDATE_DOCS=1` writes it.
 */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Texts as AsteriskTexts } from '../../adapters/pbx/asterisk/texts.ts';
import { translate as translateAsterisk } from '../../adapters/pbx/asterisk/translate.ts';
import { Mailboxes } from '../../adapters/pbx/freeswitch/mailboxes.ts';
import { Texts as FreeswitchTexts } from '../../adapters/pbx/freeswitch/texts.ts';
import {
  type EventHeaders,
  translate as translateFreeswitch,
  worthReading,
} from '../../adapters/pbx/freeswitch/translate.ts';
import { loadMessages } from '../../config/messages.ts';
import type { PbxEvent } from '../../plugin/ports/pbx-link.ts';
import type { PushRequest } from '../../plugin/ports/push-provider.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { SERVICE_PAYLOADS } from '../support/service-payloads.ts';
import { ACCOUNT, TextSite } from '../support/text-site.ts';
import { ended, leg, WaitingSite } from '../support/waiting-site.ts';

const deps = (s: TextSite) => ({ clock: s.clock, log: new RecordedLog(), name: 'office' });
const worth = (headers: EventHeaders) => {
  const read = worthReading(headers);
  return read && translateFreeswitch(read);
};

/** How each PBX says it; the site's PBX hands over what the adapter makes of it. */
const SAYS: Readonly<Record<string, Readonly<Record<string, (s: TextSite) => Promise<void>>>>> = {
  text: {
    asterisk: async (s) => {
      const key = '1795890654123456-123456';
      const parts = ['1001', '1001', '"Zoë" <sip:2000@x>', 'pjsip:sip:1001@x', 'text/plain', 'Hello'];
      const value = `1|${parts.map(encodeURIComponent).join('|')}`;
      const texts = new AsteriskTexts({
        pbx: 'office',
        realm: 'example.com',
        deps: deps(s),
        call: async <T>() => 'done' as T,
        say: (event) => s.pbx.emit(event),
        proofs: () => undefined,
      });
      const fact = translateAsterisk({
        type: 'StasisStart',
        args: ['text', key],
        channel: { id: 'c1', caller: { name: value } },
      });
      if (fact?.fact === 'text') await texts.arrived(fact.channelId, fact.key, fact.value);
    },
    freeswitch: async (s) => {
      const texts = new FreeswitchTexts({
        pbx: 'office',
        clock: s.clock,
        ask: async <T>() => undefined as T,
        say: (event) => s.pbx.emit(event),
        dialOf: () => undefined,
      });
      const fact = worth({
        'Event-Name': 'MESSAGE',
        pushwake_text: '11111111-2222-4333-8444-555555555555',
        to: ACCOUNT,
        from_full: '"Zoë" <sip:2000@x>;tag=abc',
        type: 'text/plain',
        sip_profile: 'internal',
        _body: 'Hello',
      });
      if (fact?.fact === 'text') texts.arrived(fact.id, fact.value);
    },
  },
  voicemail: {
    asterisk: async (s) => {
      const { url, body } = await asExternnotify('default', '1001', '2', '0', '1');
      const aor = /\/v1\/accounts\/([^/]+)\/voicemail$/.exec(url)?.[1];
      const { new: newMessages, urgent } = JSON.parse(body) as { new: number; urgent: number };
      if (aor === ACCOUNT) await s.runtime.mailboxHolds(ACCOUNT, newMessages, urgent);
    },
    freeswitch: async (s) => {
      const boxes = new Mailboxes({
        pbx: 'office',
        realm: 'example.com',
        clock: s.clock,
        say: (e: PbxEvent) => s.pbx.emit(e),
      });
      const fact = worth({
        'Event-Name': 'MESSAGE_WAITING',
        'MWI-Messages-Waiting': 'yes',
        'MWI-Message-Account': ACCOUNT,
        'MWI-Voice-Message': '2/0 (1/0)',
        'Update-Reason': 'new',
      });
      if (fact?.fact === 'mailbox') boxes.holds(fact);
    },
  },
};

/** Runs the shipped script as Asterisk does, with a curl that only says what it was given. */
async function asExternnotify(...args: string[]): Promise<{ url: string; body: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-voicemail-'));
  try {
    writeFileSync(join(folder, 'curl'), `#!/bin/sh\nprintf '%s\\n' "$@" > "${folder}/said"\n`);
    chmodSync(join(folder, 'curl'), 0o755);
    writeFileSync(join(folder, 'token'), 'a-token-of-the-role-push');
    const script = fileURLToPath(new URL('../../config/asterisk/pushwake-voicemail', import.meta.url));
    const env = { PATH: `${folder}:${process.env.PATH}`, PUSHWAKE_TOKEN: join(folder, 'token') };
    await promisify(execFile)('/bin/sh', [script, ...args], { env });
    const said = readFileSync(join(folder, 'said'), 'utf8').trim().split('\n');
    expect(said).toContain('Authorization: Bearer a-token-of-the-role-push');
    return { url: said.at(-1) ?? '', body: said[said.indexOf('-d') + 1] ?? '' };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const words = loadMessages();
const counted = (text: 'missed' | 'message' | 'voicemail') => words.text('en', text).body;

/** The push that an event of a PBX comes to. */
async function pushOf(event: string, pbx: string): Promise<PushRequest | undefined> {
  const site = await new TextSite({ policy: { voicemail: 'all' } }).start();
  await site.asleep();
  const purpose = event === 'text' ? 'message' : event;
  await SAYS[event]?.[pbx]?.(site);
  if (event === 'custom') {
    void site.runtime.customPushes.send(ACCOUNT, { text: 'Somebody rings.', urgent: true, keepMs: 60_000 }, undefined);
  }
  await site.idle();
  if (event === 'missed') return missedPush(site);
  return site.service.requests.find((r) => r.purpose === purpose);
}

/** A call that nobody took; the ends of its legs are the same facts of both PBXs (`test/contract/pbx-link.contract.ts`). */
async function missedPush(site: TextSite): Promise<PushRequest | undefined> {
  const waiting = await new WaitingSite('full', undefined, { missedCalls: true, retryWakeAfterMs: 0 }).start();
  await waiting.call();
  await waiting.tell(leg('device'));
  await waiting.clock.advance(20_000);
  await waiting.tell(ended('device', 127), ended('wake', 127));
  await waiting.clock.advance(15_000);
  const effect = waiting.effects.find((e) => e.type === 'sendMissed');
  if (effect?.type !== 'sendMissed') return undefined;
  const { target, callId, count, collapseId, expiresAt } = effect;
  const { pushId, sentAt } = { pushId: '11111111-2222-4333-8444-555555555555', sentAt: site.clock.now() };
  return {
    purpose: 'missed',
    aor: ACCOUNT,
    target,
    callId,
    count,
    body: counted('missed'),
    collapseId,
    expiresAt,
    pushId,
    sentAt,
  };
}

const EVENTS = ['text', 'voicemail', 'missed', 'custom'] as const;
const NAMES = {
  text: 'a text (SIP MESSAGE)',
  voicemail: 'a new voice message',
  missed: 'a missed call',
  custom: 'the send API',
};
const PBXS = ['asterisk', 'freeswitch'] as const;
/** Which test shows the event on the real PBX, from the wire to the push; each is looked for in its file. */
const ON_A_REAL_PBX: Readonly<Record<string, readonly [command: string, file: string, title: string]>> = {
  'text asterisk': [
    'npm test -- asterisk/messages',
    'test/asterisk/messages.test.ts',
    'a sleeping phone is pushed, and gets them once',
  ],
  'voicemail asterisk': [
    'npm test -- asterisk/messages',
    'test/asterisk/messages.test.ts',
    'a message in a real voicemail',
  ],
  'missed asterisk': ['npm run demo -- --texts', 'test/demo/story-texts.ts', "'missed-push'"],
  'text freeswitch': [
    'npm run test:freeswitch -- texts',
    'test/freeswitch/texts.test.ts',
    'a sleeping phone is pushed, and gets them once',
  ],
  'voicemail freeswitch': [
    'npm run test:freeswitch -- texts',
    'test/freeswitch/texts.test.ts',
    'a message in a real mod_voicemail',
  ],
  'missed freeswitch': [
    'npm run test:freeswitch -- texts',
    'test/freeswitch/texts.test.ts',
    'a call that its phone slept through',
  ],
};

describe('each event reaches each service from each PBX', () => {
  const cells = new Map<string, string>();
  it.each(EVENTS.flatMap((event) => PBXS.map((pbx) => [event, pbx] as const)))('%s from %s', async (event, pbx) => {
    const request = await pushOf(event, pbx);
    for (const [service, built] of Object.entries(SERVICE_PAYLOADS)) {
      cells.set(`${event} ${pbx} ${service}`, request && built(request) !== undefined ? 'yes' : 'no');
    }
    expect(request, 'no push').toBeDefined();
    expect(Object.keys(SERVICE_PAYLOADS).map((service) => cells.get(`${event} ${pbx} ${service}`))).toEqual(
      Array(5).fill('yes'),
    );
  });

  it.each(Object.entries(ON_A_REAL_PBX))('%s has a test on the real PBX', (_, [, file, title]) => {
    expect(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')).toContain(title);
  });

  it('docs/push-services.md shows the table', () => {
    const services = Object.keys(SERVICE_PAYLOADS);
    const rows = EVENTS.flatMap((event) =>
      PBXS.map((pbx) =>
        [
          NAMES[event],
          pbx,
          ...services.map((s) => cells.get(`${event} ${pbx} ${s}`) ?? '?'),
          event === 'custom' ? 'the PBX has no part in it' : `\`${ON_A_REAL_PBX[`${event} ${pbx}`]?.[0]}\``,
        ].join(' | '),
      ),
    );
    const head = `| | PBX | ${services.join(' | ')} | on the real PBX, to Apple’s stand-in |\n|${'---|'.repeat(services.length + 3)}`;
    const table = `${head}\n${rows.map((row) => `| ${row} |`).join('\n')}`;
    const file = new URL('../../docs/push-services.md', import.meta.url);
    const page = readFileSync(file, 'utf8');
    const whole = page.replace(
      /(<!-- beside calls -->\n)[\s\S]*?(<!-- end -->)/,
      (_, a: string, b: string) => `${a}\n${table}\n\n${b}`,
    );
    if (process.env.UPDATE_DOCS === '1') writeFileSync(file, whole);
    expect(readFileSync(file, 'utf8')).toBe(whole);
  });
});
