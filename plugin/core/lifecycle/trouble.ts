/** What the signs of a device lead to: the trouble that is stored and reported, and the one notice to its user. */
import type { Binding, BindingId } from '../binding.ts';
import type { LifecycleEvent } from '../events.ts';
import { afterAsking, afterLostRefresh, afterReceipt } from '../signs.ts';
import { between, DAY, type DurationMs, plus } from '../time.ts';
import { causeOf, TROUBLES } from '../trouble.ts';
import { collapseId } from './collapse-id.ts';
import type { Draft } from './draft.ts';

/** A user is asked to open the app at most once in this time, whatever is wrong with his phone. */
const ASK_AGAIN_AFTER: DurationMs = 30 * DAY;
/** Later nobody knows any more why he is asked. */
const ASK_FOR_AT_MOST: DurationMs = 1 * DAY;

/** Looks at what is known of a device now, after its signs have changed. */
export function judge(draft: Draft, id: BindingId): void {
  const b = draft.find(id);
  if (!b || b.ending) return;
  const cause = causeOf(b);
  if (cause === b.trouble?.cause) return;
  const { trouble: before, ...rest } = b;
  if (cause === undefined) {
    draft.replace(rest);
    draft.report('recovered', id, before?.cause);
    return;
  }
  draft.report('troubled', id, cause);
  if (!isAsked(draft, rest, cause)) {
    draft.replace({ ...rest, trouble: { cause, since: draft.now } });
    return;
  }
  const next = { ...rest, trouble: { cause, since: draft.now }, signs: afterAsking(b.signs, draft.now) };
  ask(draft, next);
}

function isAsked(draft: Draft, b: Binding, cause: keyof typeof TROUBLES): boolean {
  const { askedAt } = b.signs ?? {};
  const isTooSoon = askedAt !== undefined && between(askedAt, draft.now) < ASK_AGAIN_AFTER;
  return TROUBLES[cause].asksUser && draft.policy(b).askToOpen && b.targets.other !== undefined && !isTooSoon;
}

/** Saved before it is sent: after a crash it goes out once more, under the same collapse id. */
export function ask(draft: Draft, b: Binding): void {
  const target = b.targets.other;
  const { trouble } = b;
  if (!trouble) return;
  const { askAgainAt: _, ...settled } = trouble;
  if (!target || between(trouble.since, draft.now) > ASK_FOR_AT_MOST) {
    draft.replace({ ...b, trouble: settled });
    return;
  }
  const { resendAfterMs } = draft.policy(b);
  draft.replace({ ...b, trouble: { ...settled, askAgainAt: plus(draft.now, resendAfterMs) } });
  draft.effects.push({
    type: 'sendNotice',
    bindingId: b.id,
    target,
    which: { notice: 'open' },
    endsAt: b.endsAt,
    collapseId: collapseId(target, 'open', trouble.since),
    expiresAt: plus(draft.now, ASK_FOR_AT_MOST),
  });
}

/** What the push service answered to that notice. */
export function askSettled(draft: Draft, b: Binding, isOver: boolean): void {
  if (b.trouble?.askAgainAt === undefined) return;
  const { askAgainAt: _, ...settled } = b.trouble;
  const again = plus(draft.now, draft.policy(b).putOffMaxMs);
  draft.replace({ ...b, trouble: isOver ? settled : { ...settled, askAgainAt: again } });
}

export function received(draft: Draft, event: Extract<LifecycleEvent, { type: 'PushReceived' }>): void {
  const b = draft.find(event.bindingId);
  if (!b || b.ending) return;
  replaceSigns(draft, b, afterReceipt(b.signs, event.receipt, draft.policy(b).ringTimeMs));
}

export function refreshLost(draft: Draft, event: Extract<LifecycleEvent, { type: 'RefreshLost' }>): void {
  const b = draft.find(event.bindingId);
  if (b) replaceSigns(draft, b, afterLostRefresh(b.signs));
}

function replaceSigns(draft: Draft, b: Binding, signs: Binding['signs']): void {
  if (signs === b.signs) return;
  const { signs: _, ...rest } = b;
  draft.replace({ ...rest, ...(signs && { signs }) });
  judge(draft, b.id);
}
