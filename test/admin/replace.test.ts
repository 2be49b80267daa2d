/** Push services and receivers of events change while pushes are under way: nothing is lost, and what is gone is closed. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { HOUR, plus, SECOND } from '../../plugin/core/time.ts';
import type { PushOutcome } from '../../plugin/ports/push-provider.ts';
import { createDelivery, type Delivery, type PushDraft } from '../../plugin/runtime/push/delivery.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';

let clock: FakeClock;
let old: ScriptedPushProvider;
let fresh: ScriptedPushProvider;
let other: ScriptedPushProvider;
let delivery: Delivery;

beforeEach(() => {
  clock = new FakeClock();
  [old, fresh, other] = [
    new ScriptedPushProvider('apns'),
    new ScriptedPushProvider('apns'),
    new ScriptedPushProvider('fcm'),
  ];
  delivery = createDelivery({ providers: [old, other], clock, log: new RecordedLog(), random: () => 0.5 });
});
afterEach(async () => {
  await delivery.close();
  expect(clock.pending(), 'timers left behind').toBe(0);
});

const refresh = (): PushDraft => ({
  purpose: 'refresh',
  aor: '1001@example.com' as Aor,
  expiresAt: plus(clock.now(), HOUR),
});

it('a push under way ends at the old one, which is closed only then; the next goes to the new one', async () => {
  let answer: (outcome: PushOutcome) => void = () => undefined;
  old.next(new Promise<PushOutcome>((resolve) => (answer = resolve)));
  const underWay = delivery.send(refresh(), old.targets());
  await settle(2);
  delivery.replace([fresh, other]);
  await settle(2);
  expect(old.closed).toBe(0);
  expect((await delivery.send(refresh(), old.targets())).kind).toBe('accepted');
  expect([old.requests.length, fresh.requests.length]).toEqual([1, 1]);
  answer({ kind: 'accepted' });
  expect((await underWay).kind).toBe('accepted');
  await settle(2);
  expect([old.closed, fresh.closed, other.closed]).toEqual([1, 0, 0]);
});

it('a push that is tried again is tried at the new one', async () => {
  old.next({ kind: 'retryLater', reason: 'ServiceUnavailable' });
  const push = delivery.send(refresh(), old.targets());
  await settle(2);
  delivery.replace([fresh, other]);
  await clock.advance(10 * SECOND);
  expect((await push).kind).toBe('accepted');
  expect(fresh.requests).toHaveLength(1);
});

it('one of a service that is gone ends, as a mistake of the configuration and no verdict on the token', async () => {
  old.next({ kind: 'retryLater', reason: 'ServiceUnavailable' });
  const push = delivery.send(refresh(), old.targets());
  await settle(2);
  delivery.replace([other]);
  await clock.advance(10 * SECOND);
  expect(await push).toMatchObject({ kind: 'misconfigured', reason: 'service removed' });
  expect(delivery.targetFor('refresh', old.targets())).toBeUndefined();
});

it('an alarm about a service that has a new configuration is over', async () => {
  old.next({ kind: 'misconfigured', reason: 'InvalidProviderToken', hint: 'check the key' });
  await delivery.send(refresh(), old.targets());
  expect(delivery.stats().alarms).toHaveLength(1);
  delivery.replace([fresh, other]);
  expect(delivery.stats().alarms).toEqual([]);
  expect((await delivery.send(refresh(), old.targets())).kind).toBe('accepted');
});
