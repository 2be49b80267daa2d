/** Pushes that are tried again and again must stop when what they say is no longer true. */
import { describe, expect, it } from 'vitest';
import type { AorRecord } from '../../plugin/core/binding.ts';
import type { Report } from '../../plugin/core/events.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR, MINUTE, plus } from '../../plugin/core/time.ts';
import { UnderWay } from '../../plugin/runtime/bindings/under-way.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { AOR, BINDING, bindingEndingIn, contactUri, MONDAY, recordOf, voipOnly } from '../support/builders.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';

const begun = bindingEndingIn(12 * HOUR, MONDAY);

/** A push that goes on until it is given up. */
function pushing(o: { delayed?: boolean; record?: AorRecord | undefined } = {}) {
  const clock = new FakeClock(MONDAY);
  const underWay = new UnderWay(clock, async () => o.record);
  let end: () => void = () => undefined;
  let delay: () => void = () => undefined;
  const work = underWay.run(AOR, begun, undefined, (signal, onDelay) => {
    delay = onDelay;
    if (o.delayed ?? true) onDelay();
    return new Promise<string>((done) => {
      end = () => done('sent');
      signal.addEventListener('abort', () => done('given up'));
    });
  });
  return { clock, underWay, work, end: () => end(), delay: () => delay() };
}

/** A whole runtime with one phone, whose push service can be out. */
async function site() {
  const clock = new FakeClock(MONDAY);
  const pbx = new FakePbx({ clock });
  const service = new ScriptedPushProvider('apns');
  const log = new RecordedLog();
  let ids = 0;
  const runtime = new Runtime({
    mode: 'full',
    clock,
    log,
    store: new MemoryStore(),
    links: [pbx],
    delivery: createDelivery({ providers: [service], clock, log, random: () => 0.5 }),
    policyFor: () => () => ({ ...DEFAULT_POLICY, refreshFromMs: 0 }),
    noticeText: (_aor, notice) => ({ body: notice }),
    realmOf: () => 'example.com',
    randomHex: (bytes) => `${ids++}`.padStart(bytes * 2, '0'),
    forgetAfterMs: DAY,
    brake: false,
  });
  await runtime.start();
  pbx.register('1001', contactUri(), { grantedMs: 20 * DAY });
  const notices = () => service.requests.flatMap((r) => (r.purpose === 'notice' ? [r.notice] : []));
  return { clock, pbx, service, runtime, notices };
}

describe('a notice that waits for its service', () => {
  it.each([
    ['soon', 7 * DAY - 13 * HOUR],
    ['expired', 7 * DAY - HOUR / 2],
  ])('%s: the user opens the app meanwhile, and it is not sent when the service is back', async (notice, untilMs) => {
    const { clock, pbx, service, runtime, notices } = await site();
    await clock.advance(untilMs);
    service.requests.length = 0;
    service.answersAll = { kind: 'retryLater', reason: 'ServiceUnavailable' };
    await clock.advance(2 * HOUR);
    expect(notices().length, 'control: it is tried again and again').toBeGreaterThan(5);
    expect(new Set(notices())).toEqual(new Set([notice]));
    pbx.register('1001', contactUri({ port: 40_002 }), { grantedMs: 20 * DAY });
    await clock.advance(1);
    service.requests.length = 0;
    service.answersAll = undefined;
    await clock.advance(1 * DAY);
    expect(notices()).toEqual([]);
    await runtime.stop();
  });

  it('a notice that waits is not begun again and again beside itself, and counts as sent only when it was', async () => {
    const { clock, service, runtime, notices } = await site();
    await clock.advance(7 * DAY - 13 * HOUR);
    service.requests.length = 0;
    service.answersAll = { kind: 'retryLater', reason: 'ServiceUnavailable' };
    await clock.advance(4 * HOUR);
    expect(new Set(service.requests.map((r) => r.pushId)).size, 'one push, tried again and again').toBe(1);
    service.requests.length = 0;
    service.answersAll = undefined;
    await clock.advance(6 * HOUR);
    expect(notices()).toEqual(['soon']);
    await runtime.stop();
  });

  it('a binding that has ended is not told so once more', async () => {
    const { clock, service, runtime, notices } = await site();
    await clock.advance(7 * DAY - HOUR / 2);
    service.answersAll = { kind: 'retryLater', reason: 'ServiceUnavailable' };
    await clock.advance(6 * HOUR);
    service.requests.length = 0;
    service.answersAll = undefined;
    await clock.advance(1 * DAY);
    expect(notices()).toEqual(['expired']);
    await runtime.stop();
  });
});

describe('a push under way', () => {
  it.each<[Report, string]>([
    ['renewed', 'given up'],
    ['revived', 'given up'],
    ['token-changed', 'given up'],
    ['merged', 'given up'],
    ['ending', 'given up'],
    ['ended', 'given up'],
    ['warned', 'sent'],
    ['troubled', 'sent'],
    ['put-off', 'sent'],
  ])('its binding is %s: %s', async (what, expected) => {
    const { underWay, work, end, clock } = pushing();
    underWay.heard(AOR, BINDING, what);
    end();
    expect(await work).toBe(expected);
    expect(clock.pending()).toBe(0);
  });

  it('its first attempt is not cut off, and no other follows', async () => {
    const { underWay, work, delay, end } = pushing({ delayed: false });
    underWay.heard(AOR, BINDING, 'renewed');
    await settle();
    delay();
    end();
    expect(await work).toBe('given up');
  });

  it.each<[what: string, record: AorRecord | undefined, expected: string]>([
    ['has renewed it', recordOf(bindingEndingIn(7 * DAY, plus(MONDAY, MINUTE))), 'given up'],
    [
      'ends it',
      recordOf({ ...begun, ending: { reason: 'unregistered', since: MONDAY, notice: 'done', contact: 'due' } }),
      'given up',
    ],
    ['has removed it', recordOf(), 'given up'],
    ['has removed its token for notices', recordOf({ ...begun, targets: voipOnly() }), 'given up'],
    ['has changed nothing of it', recordOf(begun), 'sent'],
    ['cannot be asked, nor the store', undefined, 'sent'],
    ['cannot be asked, nor the store, and the PBX shows another contact', { ...recordOf(), version: 0 }, 'sent'],
  ])('another node %s: %s within a minute', async (_what, record, expected) => {
    const { clock, work, end } = pushing({ record });
    await clock.advance(61_000);
    end();
    expect(await work).toBe(expected);
    expect(clock.pending()).toBe(0);
  });
});

describe('what a push says', () => {
  const run = (underWay: UnderWay, words: string, log: string[]) =>
    underWay.run(AOR, begun, { of: 'missed', words }, (signal, onDelay) => {
      log.push(words);
      onDelay();
      return new Promise<string>((done) => signal.addEventListener('abort', () => done('given up')));
    });

  it('is not begun again beside itself; other words take its place', async () => {
    const underWay = new UnderWay(new FakeClock(MONDAY), async () => undefined);
    const log: string[] = [];
    const first = run(underWay, '1', log);
    expect(await run(underWay, '1', log)).toBeUndefined();
    void run(underWay, '2', log);
    expect(await first).toBe('given up');
    expect(await run(underWay, '2', log)).toBeUndefined();
    expect(log).toEqual(['1', '2']);
  });
});
