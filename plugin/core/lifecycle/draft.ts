/** A record while one fact is being applied to it, and what every rule of the lifecycle needs of it. */
import {
  type AorRecord,
  type Binding,
  type BindingId,
  choiceOf,
  type EndReason,
  type Targets,
  type Tombstone,
} from '../binding.ts';
import type { Effect } from '../events.ts';
import { targetList } from '../identity.ts';
import type { Policy } from '../policy.ts';
import { bindingDueAt } from '../schedule.ts';
import { between, DAY, type DurationMs, earliest, HOUR, type Instant } from '../time.ts';

/**
 * Chooses the numbers for a binding by its app and by what the directory says; the AOR is fixed by the caller. Both must be
 * given: a forgotten choice would silently mean another policy.
 */
export type PolicyFor = (of: Pick<Binding, 'targets' | 'choice'>) => Policy;

export interface Transition {
  readonly record: AorRecord;
  /** False when nothing worth a write happened; `record` then is the one that came in. */
  readonly changed: boolean;
  readonly effects: readonly Effect[];
}

/** How long a tombstone is kept for `explain`. */
const TOMBSTONE_KEPT: DurationMs = 30 * DAY;
const TOMBSTONES_MAX = 20;
/** A proof must lie this much later than the last to be worth a write: 1 % of the lifetime, at most an hour. */
export const worthWriting = (lifetime: DurationMs) => Math.min(lifetime / 100, HOUR);

/** The record being changed, with the effects asked for so far. Lives for one transition. */
export class Draft {
  bindings: Binding[];
  tombstones: readonly Tombstone[];
  missingSince: Instant | undefined;
  readonly effects: Effect[] = [];
  readonly before: AorRecord;
  readonly now: Instant;
  readonly policyFor: PolicyFor;
  /** Set by whatever must reach the disk. A later proof alone may not be worth it. */
  dirty = false;

  constructor(before: AorRecord, now: Instant, policyFor: PolicyFor) {
    this.before = before;
    this.now = now;
    this.policyFor = policyFor;
    this.bindings = [...before.bindings];
    this.tombstones = before.tombstones;
    this.missingSince = before.missingSince;
  }

  find(id: BindingId): Binding | undefined {
    return this.bindings.find((b) => b.id === id);
  }

  policy(b: Pick<Binding, 'targets' | 'choice'>): Policy {
    return this.policyFor(b);
  }

  /** For a device that is not known yet: by the account's choice. */
  policyOfNew(targets: Targets): Policy {
    return this.policyFor({ targets, choice: choiceOf(this.bindings) });
  }

  replace(next: Binding): Binding {
    this.bindings = this.bindings.map((b) => (b.id === next.id ? next : b));
    this.dirty = true;
    return next;
  }

  bury(b: Binding, reason: EndReason): void {
    this.bindings = this.bindings.filter((x) => x.id !== b.id);
    const kept = this.tombstones.filter((t) => between(t.endedAt, this.now) < TOMBSTONE_KEPT);
    const tokens = [...(b.evidence.formerTokens ?? []), ...targetList(b.targets).map((t) => t.token.fingerprint)];
    // A dead token ended with its verdict: what registered since then is news, though the notice went out in between.
    const endedAt = reason === 'token-dead' ? (b.ending?.since ?? this.now) : this.now;
    this.tombstones = [...kept, { id: b.id, reason, endedAt, renewedAt: b.renewedAt, tokens }].slice(-TOMBSTONES_MAX);
    this.dirty = true;
    this.report('ended', b.id, reason);
  }

  report(what: Extract<Effect, { type: 'report' }>['what'], bindingId: BindingId, reason?: string): void {
    this.effects.push({ type: 'report', what, bindingId, at: this.now, ...(reason === undefined ? {} : { reason }) });
  }

  finish(): Transition {
    if (!this.dirty) return { record: this.before, changed: false, effects: this.effects };
    const dueAt = earliest(...this.bindings.map((b) => bindingDueAt(b, this.policy(b))));
    const { dueAt: _, missingSince: __, ...rest } = this.before;
    const record: AorRecord = {
      ...rest,
      bindings: this.bindings,
      tombstones: this.tombstones,
      ...(dueAt === undefined ? {} : { dueAt }),
      ...(this.missingSince === undefined ? {} : { missingSince: this.missingSince }),
    };
    return { record, changed: true, effects: this.effects };
  }
}
