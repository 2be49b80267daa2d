/** Firebase's installation ids beside its tokens, and the night in which Google gives the tokens up. */
import { afterEach, describe, expect, it } from 'vitest';
import { create } from '../../adapters/push/fcm/index.ts';
import { outcomeOf, readFailure } from '../../adapters/push/fcm/outcome.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import { shareToken } from '../../plugin/core/identity.ts';
import { MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { FakeClock, NOON, settle } from '../support/fake-clock.ts';
import { type FcmStandIn, startFcmStandIn } from '../support/fcm-stand-in/index.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const SENDER = '123456789012';
const FID = 'cXyz_1-aBcDeFgHiJkLmNo';
const target = (token: string, app = SENDER) => ({ provider: 'fcm', app, token: new Token(token) });
const never = new AbortController().signal;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function google(): Promise<{
  fcm: FcmStandIn;
  clock: FakeClock;
  log: RecordedLog;
  provider: ReturnType<typeof create>;
}> {
  const fcm = await startFcmStandIn();
  closing.push(() => fcm.close());
  const [clock, log] = [new FakeClock(), new RecordedLog()];
  const provider = create({ apps: fcm.apps, endpoint: fcm.endpoint }, { clock, log, name: 'fcm' });
  closing.push(() => provider.close());
  return { fcm, clock, log, provider };
}

const call = (token: string, aor = '1001@example.com') => ({
  purpose: 'call' as const,
  target: target(token),
  pushId: '11111111-2222-4333-8444-555555555555',
  callId: 'c-1',
  aor: aor as Aor,
  sentAt: NOON,
  expiresAt: plus(NOON, MINUTE),
});

describe('a device that reports its installation id', () => {
  it.each([
    [FID, 'fid'],
    [`${FID}:APA91b${'x'.repeat(130)}`, 'token'],
    ['a-token-of-another-form', 'token'],
    [`b${FID.slice(1)}`, 'token'],
    [`${FID}x`, 'token'],
  ])('%s is sent as %s', async (text, by) => {
    const { fcm, provider } = await google();
    fcm.register(text);
    expect((await provider.send(call(text), never)).kind).toBe('accepted');
    expect(fcm.pushes.map((push) => push.by)).toEqual([by]);
  });

  it.each([
    ['its token becomes its id', `${FID}:APA91b-old`, FID, true],
    ['its id becomes a token', FID, `${FID}:APA91b-new`, true],
    ['a new token of the same install', `${FID}:APA91b-old`, `${FID}:APA91b-new`, true],
    ['another install', `${FID}:APA91b-old`, `d${FID.slice(1)}`, false],
    ['tokens without an id', 'short:APA91b-old', 'short:APA91b-new', false],
  ])('%s: the same device is %s', (_, before, now, same) => {
    expect(shareToken({ call: target(before) }, { call: target(now) })).toBe(same);
  });

  it('an id of another project, or of another service, proves nothing', () => {
    expect(shareToken({ call: target(FID) }, { call: target(`${FID}:x`, 'other-project') })).toBe(false);
    const apple = { ...target(FID), provider: 'apns' };
    expect(shareToken({ call: apple }, { call: { ...apple, token: new Token(`${FID}:x`) } })).toBe(false);
  });

  it('that is gone is dead as a token is', async () => {
    const { fcm, provider } = await google();
    fcm.register(FID);
    fcm.unregister(FID);
    expect(await provider.send(call(FID), never)).toMatchObject({ kind: 'tokenDead', reason: 'UNREGISTERED' });
  });
});

/** What Google may say on the day it takes no more tokens: to every push that carries one. */
const REFUSALS = {
  'the field is unknown': {
    field: 'message',
    complaint: `Invalid JSON payload received. Unknown name "token" at 'message': Cannot find field.`,
  },
  'the field is no longer supported': { field: 'message.token', complaint: 'token is no longer supported, use fid' },
  'the token is none, by its field': { field: 'message.token', complaint: 'Invalid registration token' },
  'the token is none, without a field': { complaint: 'The registration token is not a valid FCM registration token' },
} as const;

describe('the night in which Google gives the tokens up', () => {
  const sites = [10, 80, 10_000];
  it.each(Object.keys(REFUSALS).flatMap((how) => sites.map((phones) => [how, phones] as const)))(
    '%s, %i phones: no binding is lost, one alarm',
    { timeout: 60_000 },
    async (how, phones) => {
      const { fcm, clock, log, provider } = await google();
      const delivery = createDelivery({ providers: [provider], clock, log, random: () => 0.5 });
      closing.push(() => delivery.close());
      // The evening before: each phone is reached.
      for (let n = 0; n < 3; n++) {
        fcm.register(`phone-${n}`);
        expect((await provider.send(call(`phone-${n}`), never)).kind).toBe('accepted');
      }
      fcm.next({ status: 400, reason: 'INVALID_ARGUMENT', ...REFUSALS[how as keyof typeof REFUSALS] }, 10 * phones);
      const kinds = new Set<string>();
      // Every phone is called, and in small sites again and again while the night goes on.
      for (let round = 0; round < (phones > 100 ? 1 : 5); round++) {
        const { target: _, ...draft } = call('');
        const all = Array.from({ length: phones }, (_, n) => {
          const expiresAt = plus(clock.now(), 5 * SECOND);
          const to = { call: target(`phone-${n}`) };
          return delivery.send({ ...draft, aor: `${10_000 + n}@example.com` as Aor, expiresAt }, to);
        });
        for (const { kind } of await Promise.all(all)) kinds.add(kind);
        await clock.advance(15 * MINUTE);
        await settle();
      }
      expect([...kinds]).not.toContain('tokenDead');
      expect([...kinds]).toContain('misconfigured');
      const alarms = log.lines.filter((line) => line.message === 'push service is misconfigured');
      expect(alarms.map(({ fields }) => fields.app)).toEqual([SENDER]);
    },
  );
});

describe('reading a refusal', () => {
  const refusal = (message: string, ...violations: { field: string; description: string }[]) => ({
    code: 'messaging/x',
    httpResponse: {
      status: 400,
      headers: {},
      data: {
        error: {
          status: 'INVALID_ARGUMENT',
          message,
          details: [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: violations }],
        },
      },
    },
  });
  it.each([
    [
      'another field is unknown',
      refusal('x', { field: 'message', description: 'Unknown name "datum": Cannot find field.' }),
      'failed',
      'INVALID_ARGUMENT',
    ],
    [
      'another field beside it',
      refusal('x', { field: 'message.fid', description: 'removed' }, { field: 'message.android', description: 'x' }),
      'failed',
      'INVALID_ARGUMENT',
    ],
    [
      'the field fid is unknown',
      refusal(`Unknown name "fid" at 'message': Cannot find field.`),
      'misconfigured',
      'INVALID_ARGUMENT target field',
    ],
    [
      'an id that is none',
      refusal('x', { field: 'message.fid', description: 'Invalid FID' }),
      'failed',
      'INVALID_ARGUMENT registration token',
    ],
  ])('%s', (_, failure, kind, reason) => {
    expect(outcomeOf(readFailure(failure, NOON))).toMatchObject({ kind, reason });
  });
});
