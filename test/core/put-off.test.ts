/**
 * A notice that its push service does not take: tried again ever more seldom, up to once an hour, and from the beginning again once
 * something was taken. Found by reading `docs/world.md`: each try forgot how often it was put off, and came back every six minutes for days.
 */
import { describe, expect, it } from 'vitest';
import type { AorRecord, Binding } from '../../plugin/core/binding.ts';
import type { Effect, LifecycleEvent } from '../../plugin/core/events.ts';
import { transition } from '../../plugin/core/lifecycle.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { between, DAY, HOUR, type Instant, MINUTE, plus } from '../../plugin/core/time.ts';
import { BINDING, bindingEndingIn, MONDAY, recordOf } from '../support/builders.ts';

type Outcome = Extract<LifecycleEvent, { type: 'NoticeSettled' }>['outcome'];
const tick = { type: 'Ticked', observing: false, asked: 'held', braked: 'nothing' } as const;

const sent = (effects: readonly Effect[]) => effects.map((e) => e.type).filter((type) => type.startsWith('send'));

/** The life of one record, of which whatever is due is done at once. */
class Life {
  record: AorRecord;
  now: Instant;

  constructor(binding: Binding, now: Instant = MONDAY) {
    this.record = recordOf(binding);
    this.now = now;
  }

  apply(event: LifecycleEvent): readonly Effect[] {
    const { record, effects } = transition(this.record, event, this.now, () => DEFAULT_POLICY);
    this.record = record;
    return effects;
  }

  /** Goes on to when something is due; what the service answers to a notice comes at once. Answers the kinds that were sent. */
  next(outcome: Outcome, event: LifecycleEvent = tick): readonly string[] {
    this.now = Math.max(this.now, this.record.dueAt ?? this.now) as Instant;
    const effects = this.apply(event);
    for (const e of effects) {
      if (e.type === 'sendNotice')
        this.apply({ type: 'NoticeSettled', bindingId: e.bindingId, which: e.which, outcome });
    }
    return sent(effects);
  }

  get waitMs(): number {
    return between(this.now, this.record.dueAt ?? this.now);
  }
}

/** Minutes until the next try, after each of so many. */
function waits(life: Life, outcome: Outcome, times: number): number[] {
  return Array.from({ length: times }, () => {
    life.next(outcome);
    return life.waitMs / MINUTE;
  });
}

const dueNow = (change: Partial<Binding> = {}) => bindingEndingIn(12 * HOUR, MONDAY, change);

describe('a notice that its service does not take', () => {
  it.each<Outcome>(['later', 'misconfigured'])(
    '%s: is tried again after ever longer times, up to an hour',
    (outcome) => {
      expect(waits(new Life(dueNow()), outcome, 7)).toEqual([5, 10, 20, 40, 60, 60, 60]);
    },
  );

  it('is not put off again once it was taken: the next one begins from the beginning', () => {
    const life = new Life(dueNow());
    waits(life, 'later', 5);
    expect(life.next('sent')).toEqual(['sendNotice']);
    expect(life.record.bindings[0]).not.toHaveProperty('putOff');
    // The refreshes between the two notices are done when they are due.
    while (!life.next('later').includes('sendNotice'));
    expect(life.waitMs / MINUTE).toBe(5);
  });

  const missed = (afterMs: number) =>
    ({ missed: { count: 1, callId: 'a', at: plus(MONDAY, -HOUR), againAt: plus(MONDAY, afterMs) } }) as const;
  const soon = { type: 'NoticeSettled', bindingId: BINDING, which: { notice: 'soon', offsetMs: 12 * HOUR } } as const;
  const missedIsSent: LifecycleEvent = { type: 'MissedSettled', bindingId: BINDING, isOver: true };

  it('something else that is due at the same time does not let it begin from the beginning', () => {
    const life = new Life(dueNow(missed(14 * MINUTE)));
    expect(waits(life, 'later', 2)).toEqual([5, 10]);
    expect(life.next('later')).toEqual(['sendMissed']);
    life.apply(missedIsSent);
    expect(waits(life, 'later', 1)).toEqual([20]);
  });

  it('nor does what is done while its answer is awaited', () => {
    const life = new Life(dueNow(missed(15 * MINUTE + 1)));
    expect(waits(life, 'later', 2)).toEqual([5, 10]);
    life.now = plus(MONDAY, 15 * MINUTE);
    expect(sent(life.apply(tick))).toEqual(['sendNotice']);
    life.now = plus(life.now, 1);
    expect(sent(life.apply(tick))).toEqual(['sendMissed']);
    life.apply(missedIsSent);
    life.apply({ ...soon, outcome: 'later' });
    expect(life.waitMs / MINUTE).toBe(20);
  });

  it('the PBX that could not be asked and the service count together; a refresh that went out ends the count', () => {
    const unknown = { ...tick, asked: 'unknown' } as const;
    const life = new Life(dueNow());
    expect(life.next('later', unknown)).toEqual([]);
    expect(life.waitMs / MINUTE).toBe(5);
    expect(waits(life, 'later', 1)).toEqual([10]);
    const quiet = new Life(bindingEndingIn(20 * HOUR, MONDAY, { lastRefreshAt: plus(MONDAY, -HOUR) }));
    quiet.next('later', unknown);
    expect(quiet.next('later')).toEqual(['sendRefresh']);
    expect(quiet.record.bindings[0]).not.toHaveProperty('putOff');
  });

  it('a REGISTER ends it', () => {
    const life = new Life(dueNow());
    waits(life, 'later', 3);
    const { uri } = (life.record.bindings[0] as Binding).contacts[0] as { uri: string };
    const contact = { pbx: 'office', uri, grantedMs: HOUR, expiresAt: plus(life.now, HOUR) };
    life.apply({ type: 'ContactSeen', live: true, binds: true, at: life.now, newId: 'b2' as never, contact });
    expect(life.record.bindings[0]).not.toHaveProperty('putOff');
    expect(life.waitMs).toBeGreaterThan(5 * DAY);
  });
});
