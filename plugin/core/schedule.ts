/**
 * When something must happen next for a binding. A function of the time left and of what was sent, so that a restart
 * needs no rebuild and a clock that jumps harms nothing. What then happens is `lifecycle.ts`'s.
 */
import { hash } from 'node:crypto';
import type { Binding, NoticeId } from './binding.ts';
import type { Policy } from './policy.ts';
import { between, type DurationMs, earliest, type Instant, latest, plus } from './time.ts';

/** A fraction in [0, 1) that is the same whenever it is asked for the same words. Jitter without randomness. */
export function hashFraction(...words: readonly (string | number)[]): number {
  return Number.parseInt(hash('sha256', words.join(' '), 'hex').slice(0, 8), 16) / 2 ** 32;
}

/** The name of a notice in logs and webhooks: `soon-43200000` is due 12 h before the end. */
export function noticeKind(which: NoticeId): string {
  return which.notice === 'soon' ? `soon-${which.offsetMs}` : which.notice;
}

export function isSameNotice(a: NoticeId, b: NoticeId): boolean {
  return noticeKind(a) === noticeKind(b);
}

/** Whether its user can be notified. A VoIP token alone may carry nothing but calls, by Apple's rule. */
export function isNotifiable(binding: Binding): boolean {
  return binding.targets.other !== undefined;
}

export function lifetimeOf(binding: Pick<Binding, 'targets'>, policy: Policy): DurationMs {
  return binding.targets.other === undefined ? policy.unnotifiableTtlMs : policy.ttlMs;
}

/** Notices that still lie before the end, largest offset first. Empty for a binding whose user cannot be notified. */
export function pendingNotices(binding: Binding, policy: Policy): readonly DurationMs[] {
  if (!isNotifiable(binding)) return [];
  return policy.noticeOffsetsMs.filter((o) => !soonSent(binding, o)?.done);
}

function soonSent(binding: Binding, offsetMs: DurationMs): Binding['sent'][number] | undefined {
  return binding.sent.find((s) => s.notice === 'soon' && s.offsetMs === offsetMs);
}

/** When the next *expires soon* notice is due, and which. They go out in order: the 1 h one never before the 12 h one. */
export function nextNotice(binding: Binding, policy: Policy): { offset: DurationMs; at: Instant } | undefined {
  const offset = pendingNotices(binding, policy)[0];
  if (offset === undefined) return undefined;
  const begun = soonSent(binding, offset);
  // Saved before it was sent, and its outcome is not known: a crash lies between. Sent again, under the same collapse id.
  const at = begun ? plus(begun.at, policy.resendAfterMs) : plus(binding.endsAt, -offset);
  return { offset, at };
}

/** When the next silent refresh push is due, or undefined when there is none before the end. */
export function nextRefresh(binding: Binding, policy: Policy): Instant | undefined {
  if (policy.refreshFromMs <= 0 || !isNotifiable(binding)) return undefined;
  // A notice asks the user to open the app: an hour's rest for that, too, before the app is asked silently again.
  const lastAt = Math.max(binding.lastRefreshAt ?? 0, ...binding.sent.map((s) => s.at)) as Instant;
  const start = plus(
    binding.endsAt,
    -policy.refreshFromMs + Math.floor(hashFraction(binding.id, binding.renewedAt) * policy.refreshSpreadMs),
  );
  let at = latest(start, plus(lastAt, policy.refreshEveryMs));
  for (const offset of policy.noticeOffsetsMs) {
    const notice = plus(binding.endsAt, -offset);
    if (between(at, notice) > 0 && between(at, notice) <= policy.quietBeforeNoticeMs) at = notice;
  }
  return at < binding.endsAt ? at : undefined;
}

/** The earliest instant at which anything must happen for this binding. Always defined: every binding ends one day. */
export function bindingDueAt(binding: Binding, policy: Policy): Instant {
  if (binding.ending) return binding.notBefore ?? binding.ending.since;
  const again = earliest(
    binding.trouble?.askAgainAt,
    binding.missed?.againAt,
    binding.texts?.againAt,
    binding.voicemail?.againAt,
  );
  const due =
    earliest(nextRefresh(binding, policy), nextNotice(binding, policy)?.at, again, binding.endsAt) ?? binding.endsAt;
  return binding.notBefore === undefined ? due : latest(due, binding.notBefore);
}
