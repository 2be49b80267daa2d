/** "Why did it not ring?": a call's trace and a device's record, as sentences. */
import { describe, expect, it } from 'vitest';
import type { BindingId } from '../../plugin/core/binding.ts';
import { explainCall, explainDevices } from '../../plugin/core/explain.ts';
import { DAY, HOUR, MINUTE, plus, SECOND } from '../../plugin/core/time.ts';
import type { CallTrace, TraceStep } from '../../plugin/core/trace.ts';
import type { CallStep, PushVerdict } from '../../plugin/core/wake/steps.ts';
import type { ClosingWord } from '../../plugin/core/wake.ts';
import { type WakeRecord, wakesSeldom, withWake } from '../../plugin/core/wake-record.ts';
import { AOR, BINDING, bindingEndingIn, MONDAY, recordOf } from '../support/builders.ts';

const NOW = MONDAY;
/** A step of the device, without naming the device each time. */
type OfDevice = CallStep extends infer S ? (S extends { device: BindingId } ? Omit<S, 'device'> : never) : never;
const step = (ms: number, of: OfDevice | { step: 'answered' }): TraceStep => ({ ms, device: BINDING, ...of });
const sent = (ms: number) => step(ms, { step: 'pushSent', provider: 'apns' });
const settled = (ms: number, verdict: PushVerdict, reason?: string) =>
  step(ms, { step: 'pushSettled', verdict, ...(reason === undefined ? {} : { reason }) });
const told = (ms: number, word: ClosingWord) => step(ms, { step: 'told', word });
const PUSHED = [sent(2.7), settled(47, 'accepted')];

function trace(steps: readonly TraceStep[], more: Partial<CallTrace> = {}): CallTrace {
  const end: TraceStep = { ms: (steps.at(-1)?.ms ?? 0) + 10, step: 'over' };
  return {
    callId: 'c-1',
    aor: AOR,
    pbx: 'office',
    at: plus(NOW, -MINUTE),
    steps: [...steps, end],
    over: true,
    ...more,
  };
}

const record = (wakes?: WakeRecord) => recordOf(bindingEndingIn(6 * DAY, NOW, wakes ? { wakes } : {}));
const nine: WakeRecord = [1_700, 1_800, null, 1_900, 1_800, 1_600, 2_400, 1_800, 3_100, 1_750];

describe('a call in sentences', () => {
  it('that was answered: every step of the phone with its time, no cause', () => {
    const told = explainCall(
      trace(
        [
          ...PUSHED,
          { ms: 361, step: 'registerSeen', sensor: 'event' },
          step(362, { step: 'registered', proved: true }),
          step(363, { step: 'dialled' }),
          step(376, { step: 'ringing', at: 'fresh' }),
          step(4_200, { step: 'answered' }),
        ],
        { outcome: 'answered' },
      ),
      record(nine),
      NOW,
    );
    expect(told).toMatchInlineSnapshot(`
      {
        "sentences": [
          "Call c-1 for 1001@example.com, 1 min ago, on office: answered after 4.2 s.",
          "Device 00000000 (apns, TEAM123456.com.example.phone): pushed after 3 ms by apns, taken by the push service after 47 ms, registered after 362 ms (seen by event), dialled after 363 ms, rang after 376 ms, answered after 4.2 s. Of this device: of the last 10 call pushes 9 woke it, median 1.8 s.",
        ],
      }
    `);
  });

  const rows: [
    sentence: string,
    steps: TraceStep[],
    wakes: WakeRecord | undefined,
    cause: RegExp,
    remedy: RegExp | undefined,
  ][] = [
    [
      'a dead token',
      [sent(3), settled(40, 'tokenDead', 'Unregistered')],
      undefined,
      /app is gone \(Unregistered\)/,
      /opens the app/,
    ],
    [
      'a key that is wrong',
      [sent(3), settled(40, 'misconfigured', 'InvalidProviderToken')],
      undefined,
      /refuses our pushes/,
      /hint/,
    ],
    [
      'a service that cannot be reached',
      [sent(3), settled(9_000, 'retryLater', 'no answer in time')],
      undefined,
      /did not take the push in time \(no answer in time\)/,
      /outage of the service/,
    ],
    ['a phone that usually comes', [...PUSHED, told(30_000, 'gave-up')], nine, /off or without a network/, /online/],
    [
      'a phone that has never come',
      [...PUSHED, told(30_000, 'gave-up')],
      [null, null, null],
      /has never come/,
      /app-payloads/,
    ],
    [
      'a phone that comes seldom',
      [...PUSHED, told(30_000, 'gave-up')],
      [null, null, 1_000, null, null],
      /comes seldom/,
      /battery/,
    ],
    ['a call that was over at once', [...PUSHED, told(900, 'cancelled')], nine, /too short/, /let it ring for 20 s/],
    [
      'a phone that came too late',
      [...PUSHED, told(30_000, 'gave-up'), step(32_000, { step: 'registeredLate' })],
      nine,
      /after the call was over/,
      /Ring longer/,
    ],
    [
      'an INVITE that got no 180',
      [
        ...PUSHED,
        step(900, { step: 'registered', proved: true }),
        step(901, { step: 'dialled' }),
        told(30_000, 'gave-up'),
      ],
      nine,
      /not answered with 180/,
      /NAT/,
    ],
  ];
  it.each(rows)('%s: the likely cause and the remedy', (_sentence, steps, wakes, cause, remedy) => {
    const told = explainCall(trace(steps, { outcome: 'gave-up' }), record(wakes), NOW);
    expect(told.cause).toMatch(cause);
    if (remedy) expect(told.remedy).toMatch(remedy);
    else expect(told.remedy).toBeUndefined();
  });

  it('nothing to wake: says what was never seen, or why the last binding ended', () => {
    const plain = trace([], {});
    expect(explainCall(plain, undefined, NOW).cause).toMatch(
      /no REGISTER .* with push parameters that can be read was ever seen/,
    );
    const buried = {
      ...recordOf(),
      tombstones: [{ id: BINDING, reason: 'age' as const, endedAt: plus(NOW, -2 * HOUR), renewedAt: NOW, tokens: [] }],
    };
    expect(explainCall(plain, buried, NOW).cause).toMatch(/ended 2 h ago: silent for its whole lifetime/);
  });
});

describe('the record of a device', () => {
  it('says how many of the last ten woke it, and how fast', () => {
    expect(explainDevices(record(nine), NOW).join()).toContain('of the last 10 call pushes 9 woke it, median 1.8 s');
    expect(explainDevices(record(), NOW).join()).toContain('no call push yet');
  });

  it('keeps ten, forgets the oldest', () => {
    let kept: WakeRecord | undefined;
    for (let i = 1; i <= 12; i++) kept = withWake(kept, i !== 12, i * SECOND);
    expect(kept).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11].map((s) => s * SECOND).concat(null as never));
  });

  it.each([
    [[null, null, null, null], false],
    [[null, null, null, 1, 1], true],
    [[null, null, 1, 1, 1], false],
    [[null, null, 1, 1], false],
  ] as const)('%j wakes seldom: %s', (wakes, seldom) => {
    expect(wakesSeldom({ wakes })).toBe(seldom);
  });
});
