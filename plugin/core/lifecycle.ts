/**
 * The life of a binding: bound, renewed, refreshed, warned, ended. One pure function from (record, fact, now) to
 * (record, effects). It knows no PBX, no push service and no clock; `schedule.ts` says when it must be asked again.
 *
 *        REGISTER ──▶ live ──24 h──▶ refreshed hourly ──12 h──▶ warned ──1 h──▶ warned ──0──▶ ending ──▶ gone
 *                      ▲                                                                        │
 *                      └───────────────── REGISTER at any time, also in *ending* ◀──────────────┘
 *
 * Ordering everywhere: the record that comes back is saved first, the effects are carried out after. So an effect may be
 * repeated after a crash, never lost.
 */
import type { AorRecord } from './binding.ts';
import type { LifecycleEvent } from './events.ts';
import { Draft, type PolicyFor, type Transition } from './lifecycle/draft.ts';
import { beginEnding, isLeftToExpire, makeRoom } from './lifecycle/ending.ts';
import { contactGone, contactRemoved, unregistered } from './lifecycle/gone.ts';
import { callMissed, missedSettled } from './lifecycle/missed.ts';
import { contactSeen } from './lifecycle/registered.ts';
import { answered, reported, withdrawn } from './lifecycle/reported.ts';
import { noticeSettled, tokenDied, wakeSettled } from './lifecycle/settled.ts';
import { messageSettled, textsLeft, textsWait } from './lifecycle/texts.ts';
import { ticked } from './lifecycle/time.ts';
import { received, refreshLost } from './lifecycle/trouble.ts';
import { voicemailChanged, voicemailSettled } from './lifecycle/voicemail.ts';
import type { Instant } from './time.ts';

export type { PolicyFor, Transition };
export { isLeftToExpire };

export function transition(record: AorRecord, event: LifecycleEvent, now: Instant, policyFor: PolicyFor): Transition {
  const draft = new Draft(record, now, policyFor);
  switch (event.type) {
    case 'ContactSeen':
      contactSeen(draft, event);
      break;
    case 'ContactRemoved':
      contactRemoved(draft, event);
      break;
    case 'Unregistered':
      unregistered(draft, event);
      break;
    case 'Ticked':
      ticked(draft, event);
      break;
    case 'NoticeSettled':
      noticeSettled(draft, event);
      break;
    case 'TokenDied':
      tokenDied(draft, event);
      break;
    case 'ContactGone':
      contactGone(draft, event);
      break;
    case 'WakeSettled':
      wakeSettled(draft, event);
      break;
    case 'Reported':
      reported(draft, event);
      makeRoom(draft, draft.policyOfNew(event.targets).maxDevicesPerAor);
      break;
    case 'ReportWithdrawn':
      withdrawn(draft, event);
      break;
    case 'ReportedDeviceAnswered':
      answered(draft, event);
      break;
    case 'PushReceived':
      received(draft, event);
      break;
    case 'CallMissed':
      callMissed(draft, event);
      break;
    case 'MissedSettled':
      missedSettled(draft, event);
      break;
    case 'TextsWait':
      textsWait(draft, event);
      break;
    case 'TextsLeft':
      textsLeft(draft, event);
      break;
    case 'MessageSettled':
      messageSettled(draft, event);
      break;
    case 'VoicemailChanged':
      voicemailChanged(draft, event);
      break;
    case 'VoicemailSettled':
      voicemailSettled(draft, event);
      break;
    case 'RefreshLost':
      refreshLost(draft, event);
      break;
    case 'DropRequested': {
      const b = draft.find(event.bindingId);
      if (b) beginEnding(draft, b, 'dropped', { silent: true });
      break;
    }
    default:
      return event satisfies never;
  }
  return draft.finish();
}
