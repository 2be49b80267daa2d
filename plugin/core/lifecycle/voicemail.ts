/** New voice messages of an account: one notice that a later one replaces, and a silent word when they were heard elsewhere. */
import type { Binding } from '../binding.ts';
import { isLive } from '../binding.ts';
import type { LifecycleEvent } from '../events.ts';
import type { Policy } from '../policy.ts';
import { between, DAY, type DurationMs, plus } from '../time.ts';
import { collapseId } from './collapse-id.ts';
import type { Draft } from './draft.ts';

/** How long the service keeps the notice for a phone that is off, in ms. */
const WAITS_FOR: DurationMs = 7 * DAY;
/** Longer after the message we do not try again. */
const TRY_FOR: DurationMs = 1 * DAY;

type Changed = Extract<LifecycleEvent, { type: 'VoicemailChanged' }>;

/** Undefined: the user wants no word of it. */
const counted = ({ voicemail }: Policy, { newMessages, urgent }: Changed): number | undefined =>
  voicemail === 'none' ? undefined : voicemail === 'urgent' ? urgent : newMessages;

/** The mailbox is the account's: each of its devices gets the word. */
export function voicemailChanged(draft: Draft, event: Changed): void {
  for (const b of draft.bindings.filter(isLive)) {
    const count = counted(draft.policy(b), event);
    if (count === undefined || count === b.voicemail?.count) continue;
    const { voicemail: before } = b;
    const isNew = before ? count > before.count : event.why !== 'asked' && count > 0;
    if (isNew) send(draft, { ...b, voicemail: { count, at: draft.now } }, 'seen', event.caller);
    else if (before && count < before.count) send(draft, { ...b, voicemail: { count, at: draft.now } }, 'silent');
    else draft.replace({ ...b, voicemail: { count, at: draft.now } });
  }
}

/** Saved before it is sent: after a crash it goes out once more, under the same collapse id, and names nobody. */
function send(draft: Draft, b: Binding, how: 'seen' | 'silent', caller?: Changed['caller']): void {
  const { voicemail } = b;
  const target = b.targets.other;
  if (!voicemail) return;
  // A VoIP push for anything but a call ends the app.
  if (!target) return void draft.replace(b);
  const againAt = plus(draft.now, draft.policy(b).resendAfterMs);
  draft.replace({ ...b, voicemail: { ...voicemail, how, againAt } });
  draft.effects.push({
    type: 'sendVoicemail',
    bindingId: b.id,
    target,
    count: voicemail.count,
    how,
    ...(caller && { caller }),
    collapseId: collapseId(target, `voicemail ${draft.before.aor}`, b.renewedAt),
    expiresAt: plus(draft.now, WAITS_FOR),
  });
}

export function sendVoicemailAgain(draft: Draft, b: Binding): void {
  const { voicemail } = b;
  if (voicemail && b.targets.other && between(voicemail.at, draft.now) <= TRY_FOR)
    send(draft, b, voicemail.how ?? 'seen');
  else settle(draft, b);
}

export function voicemailSettled(draft: Draft, event: Extract<LifecycleEvent, { type: 'VoicemailSettled' }>): void {
  const b = draft.find(event.bindingId);
  if (b?.voicemail?.againAt === undefined) return;
  if (event.isOver) return settle(draft, b);
  draft.replace({ ...b, voicemail: { ...b.voicemail, againAt: plus(draft.now, draft.policy(b).putOffMaxMs) } });
}

function settle(draft: Draft, b: Binding): void {
  if (!b.voicemail) return;
  const { againAt: _, how: __, ...voicemail } = b.voicemail;
  draft.replace({ ...b, voicemail });
}
