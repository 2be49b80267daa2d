/** Random facts about a hundred accounts, for processes that fight over them, and the form of the log they keep. */
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord, BindingId } from '../../plugin/core/binding.ts';
import type { LifecycleEvent } from '../../plugin/core/events.ts';
import { targetList } from '../../plugin/core/identity.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, plus } from '../../plugin/core/time.ts';
import { aorNo } from '../contract/binding-store.records.ts';
import { contactUri } from '../support/builders.ts';

export const VARIED_AORS: readonly Aor[] = Array.from({ length: 100 }, (_, i) => aorNo(i));

/**
 * Short lives, so that many are warned. A notice is never repeated for want of its outcome: then each one may appear once
 * only, whoever decides it.
 */
export const POLICY: Policy = {
  ...DEFAULT_POLICY,
  ttlMs: 12 * HOUR,
  noticeOffsetsMs: [8 * HOUR, 4 * HOUR],
  refreshFromMs: 0,
  resendAfterMs: 30 * DAY,
};

export interface Change {
  readonly aor: Aor;
  readonly version: number;
  readonly at: Instant;
  readonly event: LifecycleEvent;
  /** Notices this change asked for: binding, kind and lifetime. */
  readonly notices: readonly string[];
}

/** mulberry32: small, seeded, good enough to choose with. */
export function chance(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What may happen to this record next; now and then something that does not fit it at all. */
export function randomEvent(random: () => number, record: AorRecord, at: Instant): LifecycleEvent {
  const pick = <T>(all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)];
  const device = Math.floor(random() * 3);
  const hex = (first: string) => (first + device).padEnd(64, '7');
  const uri = contactUri({ port: 40_000 + Math.floor(random() * 5), voip: hex('a'), other: hex('b') });
  const binding = pick(record.bindings);
  const dice = random();
  if (!binding || dice < 0.3) {
    const newId = Array.from({ length: 16 }, () => Math.floor(random() * 16).toString(16)).join('') as BindingId;
    return {
      type: 'ContactSeen',
      live: random() < 0.8,
      binds: true,
      at,
      newId,
      contact: { pbx: 'office', uri, grantedMs: HOUR, expiresAt: plus(at, HOUR) },
    };
  }
  if (dice < 0.8)
    return { type: 'Ticked', observing: false, asked: random() < 0.9 ? 'held' : 'unknown', braked: 'nothing' };
  if (dice < 0.85) return { type: 'ContactRemoved', pbx: 'office', uri, at, maximumMs: HOUR };
  if (dice < 0.9)
    return { type: 'WakeSettled', bindingId: binding.id, sign: random() < 0.5 ? 'rang' : 'nothing', startedAt: at };
  if (dice < 0.95) return { type: 'Unregistered', pbx: 'office', uri, at };
  const token = pick(targetList(binding.targets))?.token.fingerprint ?? '';
  return { type: 'TokenDied', bindingId: binding.id, token, at };
}
