/** Time has passed: refreshes, notices, the end by age, an account that the PBX no longer knows. */
import { appKey, type Binding, isLive } from '../binding.ts';
import type { Braked, LifecycleEvent } from '../events.ts';
import { targetList } from '../identity.ts';
import type { Policy } from '../policy.ts';
import { bindingDueAt, isSameNotice, nextNotice, nextRefresh, noticeKind } from '../schedule.ts';
import { afterRefresh } from '../signs.ts';
import { between, type DurationMs, HOUR, type Instant, isFromFuture, latest, MINUTE, plus } from '../time.ts';
import { collapseId } from './collapse-id.ts';
import type { Draft } from './draft.ts';
import { beginEnding, continueEnding } from './ending.ts';
import { sendMissedAgain } from './missed.ts';
import { pushTextsAgain } from './texts.ts';
import { ask } from './trouble.ts';
import { sendVoicemailAgain } from './voicemail.ts';

export function ticked(draft: Draft, event: Extract<LifecycleEvent, { type: 'Ticked' }>): void {
  if (event.asked === 'missing') return aorMissing(draft);
  if (draft.missingSince !== undefined && event.asked === 'held') {
    draft.missingSince = undefined;
    draft.dirty = true;
  }
  if (!event.observing) forgetObserved(draft);
  for (const b of [...draft.bindings]) {
    if (bindingDueAt(b, draft.policy(b)) > draft.now) continue;
    const braked = isBraked(b, event.braked);
    if (event.asked === 'unknown' || braked) putOff(draft, b, braked ? 'brake' : 'pbx unknown');
    else if (b.ending) continueEnding(draft, b);
    else actOnTime(draft, b);
  }
}

/** A notice that was only logged warned nobody: it is due again, and moves the end out when it comes late. */
function forgetObserved(draft: Draft): void {
  for (const b of [...draft.bindings]) {
    if (!b.ending && b.sent.some((s) => s.observed)) draft.replace({ ...b, sent: b.sent.filter((s) => !s.observed) });
  }
}

function isBraked(b: Binding, braked: Braked): boolean {
  if (braked === 'nothing' || braked === 'everything') return braked === 'everything';
  return targetList(b.targets).some((target) => braked.includes(appKey(target)));
}

/** Unknown is never absent: nothing is sent and nothing ends on it. */
function putOff(draft: Draft, b: Binding, reason: string): void {
  const policy = draft.policy(b);
  const times = b.putOff ?? 0;
  const delay = Math.min(policy.putOffMs * 2 ** Math.min(times, 10), policy.putOffMaxMs);
  draft.replace({ ...b, notBefore: plus(draft.now, delay), putOff: times + 1 });
  draft.report('put-off', b.id, reason);
}

function actOnTime(draft: Draft, before: Binding): void {
  const policy = draft.policy(before);
  const { notBefore: _, putOff, ...rest } = before;
  const notice = nextNotice(rest, policy);
  // Until a notice whose time has come is taken it counts how often it was put off, whatever else is done meanwhile.
  const isNoticeOpen = notice !== undefined && plus(rest.endsAt, -notice.offset) <= draft.now;
  const b = putOff !== undefined && isNoticeOpen ? { ...rest, putOff } : rest;
  if (b.trouble?.askAgainAt !== undefined && b.trouble.askAgainAt <= draft.now) return ask(draft, b);
  if (b.missed?.againAt !== undefined && b.missed.againAt <= draft.now) return sendMissedAgain(draft, b);
  if (b.texts?.againAt !== undefined && b.texts.againAt <= draft.now) return pushTextsAgain(draft, b);
  if (b.voicemail?.againAt !== undefined && b.voicemail.againAt <= draft.now) return sendVoicemailAgain(draft, b);
  if (notice && notice.at <= draft.now) return warn(draft, b, notice.offset);
  if (b.endsAt <= draft.now && !notice) {
    return beginEnding(draft, b, isLive(b) ? 'age' : 'never-registered', { silent: false });
  }
  const refreshAt = nextRefresh(b, policy);
  if (refreshAt !== undefined && refreshAt <= draft.now && b.targets.other) {
    const target = b.targets.other;
    draft.replace({
      ...b,
      lastRefreshAt: draft.now,
      signs: afterRefresh(b.signs),
    });
    draft.effects.push({
      type: 'sendRefresh',
      bindingId: b.id,
      target,
      collapseId: collapseId(target, 'refresh', b.renewedAt),
      expiresAt: plus(draft.now, refreshLasts(b, policy, draft.now)),
      ...(isUrgent(b, policy, draft.now) ? { urgent: true } : {}),
    });
    return;
  }
  draft.replace(b);
}

/** Of the last two before the end: Android puts quiet ones off while the phone lies still. After the last notice none comes. */
function isUrgent(b: Binding, policy: Policy, now: Instant): boolean {
  const rest = Math.max(0, ...policy.noticeOffsetsMs.filter((offset) => offset <= policy.refreshEveryMs));
  return between(now, b.endsAt) <= rest + 2 * policy.refreshEveryMs;
}

/**
 * How long the service may keep a refresh for a phone that is off. Apple keeps one push per app: a stored silent one would
 * displace a notice that waits there already, or the one that comes next.
 */
function refreshLasts(b: Binding, policy: Policy, now: Instant): DurationMs {
  if (b.sent.length > 0) return MINUTE;
  const next = nextNotice(b, policy);
  const untilQuiet = next ? between(now, next.at) - policy.quietBeforeNoticeMs : HOUR;
  return Math.max(MINUTE, Math.min(policy.refreshEveryMs / 2, untilQuiet));
}

/**
 * *Expires soon.* Where blindness, downtime or a clock jump made it late, the end moves out, so that nobody is cut off
 * with less than eleven twelfths of the time the notice promises.
 */
function warn(draft: Draft, b: Binding, offsetMs: DurationMs): void {
  const target = b.targets.other;
  if (!target) return;
  const policy = draft.policy(b);
  const left = between(draft.now, b.endsAt);
  const endsAt = left < offsetMs - offsetMs / 12 ? plus(draft.now, offsetMs) : b.endsAt;
  const which = { notice: 'soon', offsetMs } as const;
  draft.replace({
    ...b,
    endsAt,
    sent: [...b.sent.filter((s) => !isSameNotice(s, which)), { ...which, at: draft.now, done: false }],
  });
  draft.effects.push({
    type: 'sendNotice',
    bindingId: b.id,
    target,
    which,
    endsAt,
    collapseId: collapseId(target, 'notice', b.renewedAt),
    expiresAt: latest(endsAt, plus(draft.now, policy.resendAfterMs)),
  });
  draft.report('warned', b.id, noticeKind(which));
}

function aorMissing(draft: Draft): void {
  if (draft.missingSince === undefined || isFromFuture(draft.missingSince, draft.now)) {
    draft.missingSince = draft.now;
    draft.dirty = true;
  } else {
    const since = draft.missingSince;
    const gone = draft.bindings.filter((b) => between(since, draft.now) >= draft.policy(b).aorMissingMs);
    for (const b of gone) draft.bury(b, 'aor-deleted');
  }
  for (const b of draft.bindings) {
    if (bindingDueAt(b, draft.policy(b)) <= draft.now) {
      draft.replace({ ...b, notBefore: plus(draft.now, draft.policy(b).aorMissingMs) });
    }
  }
}
