/**
 * No token and no caller in a new place: every payload of every service, profile and purpose, and everything that is kept or said of
 * a device. The tokens, names and numbers are such that a search finds them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildMessage as buildApns } from '../../adapters/push/apns/payload.ts';
import { buildMessage as buildFcm } from '../../adapters/push/fcm/payload.ts';
import { fieldsOf } from '../../adapters/push/log/payload.ts';
import { type PayloadProfile, readProfile } from '../../adapters/push/payload-profile.ts';
import { buildMessage as buildPnm } from '../../adapters/push/pnm/payload.ts';
import { buildBody as buildWebhook } from '../../adapters/push/webhook/payload.ts';
import { buildMessage as buildWebPush } from '../../adapters/push/webpush/payload.ts';
import { loadMessages } from '../../config/messages.ts';
import type { Target } from '../../plugin/core/binding.ts';
import { describeRecord } from '../../plugin/core/describe.ts';
import { explainDevices, troubledIn } from '../../plugin/core/explain.ts';
import { DAY, MINUTE, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { TROUBLES, type TroubleCause } from '../../plugin/core/trouble.ts';
import type { PushRequest } from '../../plugin/ports/push-provider.ts';
import { tellingOfReport } from '../../plugin/runtime/webhooks/words.ts';
import { AOR, apnsPair, BINDING, bindingEndingIn, OTHER, recordOf, VOIP } from '../support/builders.ts';
import { NOON } from '../support/fake-clock.ts';

const TOKEN = 'https://push.example.org/s/The-Token#The-Keys';
const NAME = 'Zoë-the-caller';
const NUMBER = '+420-555-the-number';
const folder = mkdtempSync(join(tmpdir(), 'pushwake-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));

const target: Target = {
  provider: 'x',
  app: 'com.example.phone',
  selector: 's',
  library: 'liblinphone',
  token: new Token(TOKEN),
};
const common = { target, pushId: 'p', aor: AOR, sentAt: NOON, expiresAt: plus(NOON, MINUTE), collapseId: 'c' };

/** One of each; with `caller`, what `calls.showCaller` lets out. */
function requests(caller: { name: string; number: string } | undefined): readonly PushRequest[] {
  const by = caller ? { caller } : {};
  const texts = loadMessages();
  return [
    { ...common, purpose: 'call', callId: 'c-1', callKey: 'k', ...by },
    { ...common, purpose: 'call', via: 'other', callId: 'c-1', ...by },
    { ...common, purpose: 'cancel', callId: 'c-1', word: 'elsewhere' },
    { ...common, purpose: 'refresh' },
    ...texts.locales.map((l) => ({ ...common, purpose: 'notice', notice: 'open', ...texts.text(l, 'open') }) as const),
    ...texts.locales.map(
      (l) => ({ ...common, purpose: 'missed', callId: 'c-1', count: 2, ...texts.text(l, 'missed'), ...by }) as const,
    ),
    ...texts.locales.map(
      (l) => ({ ...common, purpose: 'message', count: 2, ...texts.text(l, 'message'), ...by }) as const,
    ),
    ...texts.locales.map(
      (l) => ({ ...common, purpose: 'voicemail', count: 1, ...texts.text(l, 'voicemail'), ...by }) as const,
    ),
    { ...common, purpose: 'voicemail', count: 0 },
    { ...common, purpose: 'custom', urgent: true, body: 'b', data: { x: 1 } },
  ];
}

const TEMPLATE = {
  call: { id: '{callId}', who: '{callerName} {callerNumber}', account: '{aor}' },
  missed: { n: '{count}', who: '{callerName} {callerNumber}' },
  message: { n: '{count}', who: '{title}', text: '{body}' },
  voicemail: { n: '{count}', who: '{title}' },
  notice: { what: '{notice}', text: '{title}{body}' },
};

function profiles(): readonly PayloadProfile[] {
  const file = join(folder, 'template.json');
  writeFileSync(file, JSON.stringify(TEMPLATE));
  const carrier = { form: 'flat', limitBytes: () => 4_096 } as const;
  return ['auto', 'pushwake', 'linphone', file].map((payload) => readProfile(payload, 'payload', carrier));
}

/** Payloads must hold no token: the address of a push stands elsewhere. */
function payloads(request: PushRequest): readonly string[] {
  const all = profiles().flatMap((profile) =>
    (['pushwake', 'app'] as const).flatMap((texts) => [
      buildApns(request, { bundleId: 'com.example.phone', incomingCallText: 'Call', profile, texts })?.payload,
      JSON.stringify(buildFcm(request, { profile, texts }, NOON)),
    ]),
  );
  return [...all, buildWebPush(request, NOON)?.text, JSON.stringify(fieldsOf(request))].filter((t) => t !== undefined);
}

describe('what is pushed', () => {
  it('holds no token, in any profile and language', () => {
    for (const request of requests({ name: NAME, number: NUMBER })) {
      for (const text of payloads(request)) expect(text).not.toMatch(/The-Token|The-Keys/);
    }
  });

  it('holds a token only where the service must be told it', () => {
    for (const request of requests(undefined)) {
      for (const text of [buildPnm(request, { callerFields: false }), buildWebhook(request)]) {
        const { DeviceToken: _, target: to, ...rest } = JSON.parse(text ?? '{}') as Record<string, object>;
        expect(JSON.stringify([{ ...to, token: undefined }, rest])).not.toMatch(/The-Token|The-Keys/);
      }
    }
  });

  it('says who calls only where the administrator lets it, and never to the log', () => {
    for (const request of requests(undefined)) {
      for (const text of [...payloads(request), buildWebhook(request)]) expect(text).not.toMatch(/Zoë|555/);
    }
    const shown = requests({ name: NAME, number: NUMBER });
    // The control: it is found where it may be.
    expect(payloads(shown[0] as PushRequest).filter((text) => text.includes(NAME)).length).toBeGreaterThan(8);
    for (const request of shown) expect(JSON.stringify(fieldsOf(request))).not.toMatch(/Zoë|555/);
    for (const request of shown) expect(buildPnm(request, { callerFields: false }) ?? '').not.toMatch(/Zoë|555/);
  });
});

describe('what is kept and said of a device that does not come', () => {
  it.each(Object.keys(TROUBLES) as TroubleCause[])('%s: no token', (cause) => {
    const binding = bindingEndingIn(6 * DAY, NOON, {
      targets: apnsPair(),
      trouble: { cause, since: NOON },
      signs: { calls: [{ at: NOON, sign: 'nothing' }], silent: 0, silentSpells: 0, lowered: [], askedAt: NOON },
      locale: 'de',
    });
    const record = recordOf(binding);
    const report = { type: 'report', what: 'troubled', bindingId: BINDING, reason: cause, at: NOON } as const;
    const said = JSON.stringify([
      explainDevices(record, NOON),
      troubledIn(AOR, [binding]),
      describeRecord(record, NOON),
      tellingOfReport(record, report),
      binding.trouble,
      binding.signs,
    ]);
    expect(said).toContain(cause === 'wakes-seldom' ? 'half' : cause);
    expect(said).not.toMatch(new RegExp(`${VOIP}|${OTHER}`));
  });
});
