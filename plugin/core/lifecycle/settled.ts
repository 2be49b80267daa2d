/** What the push services answered: to notices, about tokens, and whether a call push woke the phone. */
import type { Target } from '../binding.ts';
import type { LifecycleEvent } from '../events.ts';
import { formerTokens, targetList } from '../identity.ts';
import { isSameNotice, lifetimeOf } from '../schedule.ts';
import { afterCall, type CallSign, ON_WITHIN } from '../signs.ts';
import { between, CLOCKS_DIFFER, type Instant, latest, plus } from '../time.ts';
import { isWorthKeeping, recordInWords, wakesSeldom, withWake } from '../wake-record.ts';
import type { Draft } from './draft.ts';
import { beginEnding, finishEnding } from './ending.ts';
import { askSettled, judge } from './trouble.ts';

export function noticeSettled(draft: Draft, event: Extract<LifecycleEvent, { type: 'NoticeSettled' }>): void {
  const b = draft.find(event.bindingId);
  if (!b) return;
  const policy = draft.policy(b);
  const delivered = event.outcome !== 'later' && event.outcome !== 'misconfigured';
  if (event.which.notice === 'open') return askSettled(draft, b, delivered);
  const mark = b.sent.find((s) => isSameNotice(s, event.which));
  if (event.which.notice === 'expired') {
    if (!b.ending || b.ending.notice === 'done') return;
    if (delivered) {
      const sent = b.sent.map((s) => (s === mark ? { ...s, done: true } : s));
      finishEnding(draft, draft.replace({ ...b, sent, ending: { ...b.ending, notice: 'done' } }));
    } else if (event.outcome === 'misconfigured' && b.ending.held === undefined) {
      // Our own mistake must not cost the user the last word: keep trying until it is mended.
      draft.replace({ ...b, ending: { ...b.ending, held: 'misconfigured' } });
    }
    return;
  }
  if (!mark || mark.done || b.ending) return;
  if (delivered) {
    const done = event.outcome === 'observed' ? ({ done: true, observed: true } as const) : { done: true };
    const { putOff: _, ...rest } = b;
    draft.replace({ ...rest, sent: b.sent.map((s) => (s === mark ? { ...s, ...done } : s)) });
    return;
  }
  // The notice did not reach the user. The mark goes, the notice is due again, and when it goes out late the end moves out.
  const times = b.putOff ?? 0;
  const delay = Math.min(policy.putOffMs * 2 ** Math.min(times, 10), policy.putOffMaxMs);
  draft.replace({ ...b, sent: b.sent.filter((s) => s !== mark), notBefore: plus(draft.now, delay), putOff: times + 1 });
  draft.report('put-off', b.id, `push service: ${event.outcome}`);
}

/**
 * The REGISTER has the PBX's date and the death the service's. Within what clocks may differ by, the two dates have no order: then the
 * REGISTER counts while it is as new as that, and later the service's word, which is of now.
 */
function hasRegisteredSince(renewedAt: Instant, since: Instant, saidAt: Instant): boolean {
  const isOrdered = between(since, renewedAt) > CLOCKS_DIFFER;
  return isOrdered || (renewedAt > since && between(renewedAt, saidAt) <= CLOCKS_DIFFER);
}

export function tokenDied(draft: Draft, event: Extract<LifecycleEvent, { type: 'TokenDied' }>): void {
  const b = draft.find(event.bindingId);
  if (!b) return;
  // A verdict about a token that was replaced meanwhile, or that registered again after it is said to have died.
  if (!targetList(b.targets).some((t) => t.token.fingerprint === event.token)) return;
  if (event.since !== undefined && hasRegisteredSince(b.renewedAt, event.since, event.at)) return;
  const alive = (t: Target | undefined) => (t && t.token.fingerprint !== event.token ? t : undefined);
  const call = alive(b.targets.call);
  const other = alive(b.targets.other);
  if (call) {
    // Calls still reach it; only the notices' token is dead.
    draft.replace({
      ...b,
      targets: { call },
      endsAt: latest(b.endsAt, plus(b.renewedAt, lifetimeOf({ targets: { call } }, draft.policy(b)))),
    });
    return;
  }
  const targets = other ? { other } : {};
  // What the PBX still holds of it, or reports once more, must not bind the dead token anew.
  const next = draft.replace({ ...b, targets, evidence: { ...b.evidence, formerTokens: formerTokens([b], targets) } });
  beginEnding(draft, next, 'token-dead', { silent: other === undefined, since: event.at });
}

/** Signs of a phone that did not register for its call. */
const DID_NOT_COME: readonly (CallSign | 'rang')[] = ['nothing', 'received', 'received-late', 'late'];

export function wakeSettled(draft: Draft, event: Extract<LifecycleEvent, { type: 'WakeSettled' }>): void {
  const b = draft.find(event.bindingId);
  if (!b || b.ending) return;
  const { signs: _, ...rest } = b;
  const came = !DID_NOT_COME.includes(event.sign);
  const wakes = withWake(b.wakes, came, event.afterMs);
  const isOn = Math.abs(between(b.renewedAt, event.startedAt)) <= ON_WITHIN;
  const signs = afterCall(b.signs, event.startedAt, event.sign, isOn);
  if (came) {
    if (b.unansweredWakes === 0 && !isWorthKeeping(b.wakes, wakes) && signs === b.signs) return;
    draft.replace({ ...rest, wakes, ...(signs && { signs }), unansweredWakes: 0 });
    return judge(draft, b.id);
  }
  const unansweredWakes = b.unansweredWakes + 1;
  const max = draft.policy(b).maxUnansweredWakes;
  const next = draft.replace({ ...rest, wakes, ...(signs && { signs }), unansweredWakes });
  if (wakesSeldom(next) && !wakesSeldom(b)) draft.report('wakes-seldom', b.id, recordInWords(wakes));
  if (max > 0 && unansweredWakes >= max) beginEnding(draft, next, 'unreachable', { silent: false });
  else judge(draft, b.id);
}
