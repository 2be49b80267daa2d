/** What must hold whatever a push service does: every push comes to a verdict in its time, and our mistakes cost no binding. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { random, systemClock } from '../../adapters/clock/system/index.ts';
import { create as createApns } from '../../adapters/push/apns/index.ts';
import { create as createFcm } from '../../adapters/push/fcm/index.ts';
import type { Targets } from '../../plugin/core/binding.ts';
import { HOUR, plus, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { PushOutcome, PushProvider } from '../../plugin/ports/push-provider.ts';
import { createDelivery, type Delivery } from '../../plugin/runtime/push/delivery.ts';
import { type ApnsStandIn, makeP8Key, startApnsStandIn } from '../support/apns-stand-in/index.ts';
import { startFcmStandIn } from '../support/fcm-stand-in/index.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const clock = systemClock();
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function deliver(provider: PushProvider, log = new RecordedLog()): Delivery {
  const delivery = createDelivery({ providers: [provider], clock, log, random });
  closing.push(() => delivery.close());
  return delivery;
}

async function apnsStandIn(): Promise<ApnsStandIn> {
  const apns = await startApnsStandIn();
  closing.push(() => apns.close());
  return apns;
}

describe('1,000 call pushes in flight', () => {
  it('each gets a verdict within its time while Apple says goodbye, cuts, slows down, is down and hangs', async () => {
    const apns = await apnsStandIn();
    const tokens = Array.from({ length: 1_000 }, (_, n) => n.toString(16).padStart(64, '0'));
    for (const token of tokens) apns.register(token, { voip: true });
    const options = { apps: apns.apps, endpoint: apns.endpoint };
    const delivery = deliver(createApns(options, { clock, log: new RecordedLog(), name: 'apns' }));
    const LASTS = 25 * SECOND;
    const gate = Promise.withResolvers<void>();
    apns.next({ status: 503, reason: 'ServiceUnavailable' }, 150);
    apns.next({ status: 429, reason: 'TooManyRequests' }, 50);
    apns.next({ delayMs: 5_000 }, 50);
    apns.next('hang', 50);
    apns.next('refuse-stream', 50);
    apns.next({ until: gate.promise }, 400);
    const begun = performance.now();
    const pushes = tokens.map(async (token) => {
      const target = { provider: 'apns', app: 'com.example.phone', token: new Token(token) };
      const draft = {
        purpose: 'call' as const,
        callId: 'c',
        aor: '1001@example.com',
        expiresAt: plus(clock.now(), LASTS),
      };
      const outcome = await delivery.send(draft, { call: target });
      return { outcome, ms: performance.now() - begun };
    });
    await apns.received(700);
    apns.goAway();
    await sleep(50);
    gate.resolve();
    await apns.received(1_000);
    apns.reset();
    await sleep(200);
    apns.reset();
    const ended = await Promise.all(pushes);
    expect(ended.filter(({ ms }) => ms > LASTS)).toEqual([]);
    expect(ended.map(({ outcome }) => outcome.kind)).toEqual(Array(1_000).fill('accepted'));
    // Whoever was rung twice got the same id: the app drops it.
    const idsOf = new Map<string, Set<string | undefined>>();
    for (const { token, apnsId } of apns.pushes) idsOf.set(token, (idsOf.get(token) ?? new Set()).add(apnsId));
    expect([...idsOf.values()].filter((ids) => ids.size !== 1)).toEqual([]);
    expect(idsOf.size).toBe(1_000);
  }, 60_000);
});

describe('10,000 bindings and a mistake of ours', () => {
  /** A notice to each of 10,000 devices; what came of it, and what was said. */
  async function tellAll(provider: PushProvider, targetsOf: (n: number) => Targets) {
    const log = new RecordedLog();
    const delivery = deliver(provider, log);
    const outcomes: PushOutcome[] = [];
    await Promise.all(
      Array.from({ length: 10_000 }, async (_, n) => {
        const expiresAt = plus(clock.now(), HOUR);
        const draft = {
          purpose: 'notice' as const,
          notice: 'soon' as const,
          body: 'x',
          aor: `${n}@example.com`,
          expiresAt,
        };
        outcomes.push(await delivery.send(draft, targetsOf(n)));
      }),
    );
    const alarms = log.at('error').map(({ message, fields }) => ({ message, hint: String(fields.hint) }));
    return { dead: outcomes.filter(({ kind }) => kind === 'tokenDead').length, alarms, held: delivery.stats().alarms };
  }

  const hex = (n: number) => new Token(n.toString(16).padStart(64, '0'));
  const apple = (n: number) => ({ other: { provider: 'apns', app: 'TEAM123456.com.example.phone', token: hex(n) } });
  const android = (n: number) => ({ other: { provider: 'fcm', app: '123456789012', token: new Token(`t${n}`) } });
  const log = new RecordedLog();

  const mistakes: readonly [string, RegExp, () => Promise<[PushProvider, (n: number) => Targets]>][] = [
    [
      'a key that was revoked',
      /teamId, bundleId and keyId/,
      async () => {
        const apns = await apnsStandIn();
        const [app] = apns.apps;
        const apps = [{ ...app, key: makeP8Key() }];
        return [createApns({ apps, endpoint: apns.endpoint }, { clock, log, name: 'apns' }), apple];
      },
    ],
    [
      'a topic the key may not push to',
      /capability|teamId/,
      async () => {
        const apns = await apnsStandIn();
        const [app] = apns.apps;
        const apps = [{ ...app, bundleId: 'com.example.fone' }];
        const wrong = (n: number) => ({ other: { ...apple(n).other, app: 'com.example.fone' } });
        return [createApns({ apps, endpoint: apns.endpoint }, { clock, log, name: 'apns' }), wrong];
      },
    ],
    [
      'tokens of another topic',
      /another app than the bundleId/,
      async () => {
        const apns = await apnsStandIn();
        for (let n = 0; n < 10_000; n++) apns.register(apple(n).other.token.reveal(), { voip: true });
        return [createApns({ apps: apns.apps, endpoint: apns.endpoint }, { clock, log, name: 'apns' }), apple];
      },
    ],
    [
      'the wrong environment',
      /environment: auto/,
      async () => {
        const apns = await apnsStandIn();
        const [app] = apns.apps;
        const apps = [{ ...app, environment: 'production' }];
        return [createApns({ apps, endpoint: apns.endpoint }, { clock, log, name: 'apns' }), apple];
      },
    ],
    [
      'a project that was revoked',
      /Google gives no access token/,
      async () => {
        const fcm = await startFcmStandIn();
        closing.push(() => fcm.close());
        fcm.rotateAccount();
        return [createFcm({ apps: fcm.apps, endpoint: fcm.endpoint }, { clock, log, name: 'fcm' }), android];
      },
    ],
  ];
  it.each(mistakes)(
    '%s: nobody is dropped, one alarm says what to do',
    async (_, remedy, start) => {
      const [provider, targetsOf] = await start();
      const { dead, alarms, held } = await tellAll(provider, targetsOf);
      expect(dead).toBe(0);
      expect(alarms).toEqual([{ message: 'push service is misconfigured', hint: expect.stringMatching(remedy) }]);
      expect(held).toHaveLength(1);
    },
    60_000,
  );
});
