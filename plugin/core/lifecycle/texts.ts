/**
 * Texts that wait for a device: how many, the push that says so, and when they are delivered. The texts themselves are in a store of
 * their own (`ports/text-store.ts`, ADR 0091): a record is written by each REGISTER.
 */
import type { Binding, BindingId } from '../binding.ts';
import type { LifecycleEvent } from '../events.ts';
import { between, DAY, type DurationMs, plus, SECOND } from '../time.ts';
import { collapseId } from './collapse-id.ts';
import type { Draft } from './draft.ts';

/** A flood of texts is a push for each of these, in ms; the push that follows has the whole number. */
const ONE_PUSH_EACH: DurationMs = 10 * SECOND;
/** Longer after the last text we do not try to push again: the phone gets them with its next REGISTER. */
const TRY_FOR: DurationMs = 1 * DAY;

export function textsWait(draft: Draft, event: Extract<LifecycleEvent, { type: 'TextsWait' }>): void {
  const b = draft.find(event.bindingId);
  if (!b || b.ending) return;
  const { count } = event;
  const before = b.texts;
  // The same once more: found again after a start.
  if (before && before.count === count && event.found) return;
  const pushedAt = before?.pushedAt;
  if (pushedAt !== undefined && between(pushedAt, draft.now) < ONE_PUSH_EACH && between(pushedAt, draft.now) >= 0) {
    draft.replace({ ...b, texts: { count, at: draft.now, pushedAt, againAt: plus(pushedAt, ONE_PUSH_EACH) } });
    return;
  }
  push(draft, { ...b, texts: { count, at: draft.now } }, event);
}

/** Saved before it is sent: after a crash it goes out once more, under the same collapse id, and names nobody. */
function push(
  draft: Draft,
  b: Binding,
  more: Pick<Extract<LifecycleEvent, { type: 'TextsWait' }>, 'caller' | 'text'> = {},
): void {
  const { texts } = b;
  if (!texts) return;
  const target = b.targets.other;
  // A VoIP push for anything but a call ends the app: such a phone gets its texts when it registers by itself.
  if (!target) return void draft.replace(b);
  const policy = draft.policy(b);
  const againAt = plus(draft.now, policy.resendAfterMs);
  draft.replace({ ...b, texts: { ...texts, pushedAt: draft.now, againAt } });
  draft.effects.push({
    type: 'sendMessage',
    bindingId: b.id,
    target,
    count: texts.count,
    ...(more.caller && { caller: more.caller }),
    ...(more.text !== undefined && { text: more.text }),
    collapseId: collapseId(target, `message ${draft.before.aor}`, b.renewedAt),
    expiresAt: plus(draft.now, policy.textsKeptMs),
  });
}

export function pushTextsAgain(draft: Draft, b: Binding): void {
  if (b.texts && b.targets.other && between(b.texts.at, draft.now) <= TRY_FOR) push(draft, b);
  else settle(draft, b);
}

export function messageSettled(draft: Draft, event: Extract<LifecycleEvent, { type: 'MessageSettled' }>): void {
  const b = draft.find(event.bindingId);
  if (b?.texts?.againAt === undefined) return;
  // More texts came meanwhile: their push is still to come.
  const isNewer = b.texts.pushedAt !== undefined && b.texts.againAt <= plus(b.texts.pushedAt, ONE_PUSH_EACH);
  if (isNewer) return;
  if (event.isOver) return settle(draft, b);
  draft.replace({ ...b, texts: { ...b.texts, againAt: plus(draft.now, draft.policy(b).putOffMaxMs) } });
}

/** Some were delivered, or their time is over. 0: none waits any more. */
export function textsLeft(draft: Draft, event: Extract<LifecycleEvent, { type: 'TextsLeft' }>): void {
  const b = draft.find(event.bindingId);
  if (!b?.texts || b.texts.count === event.count) return;
  if (event.count > 0) return void draft.replace({ ...b, texts: { ...b.texts, count: event.count } });
  const { texts: _, ...rest } = b;
  draft.replace(rest);
}

/** The phone is there. `contact` absent: it registered with a Contact that does not say which device it is. */
export function deliverTexts(draft: Draft, bindingId: BindingId, contact?: { pbx: string; uri: string }): void {
  const b = draft.find(bindingId);
  if (!b?.texts || b.ending) return;
  draft.effects.push({ type: 'deliverTexts', bindingId, ...(contact && { contact }) });
}

function settle(draft: Draft, b: Binding): void {
  if (!b.texts) return;
  const { againAt: _, ...texts } = b.texts;
  draft.replace({ ...b, texts });
}
