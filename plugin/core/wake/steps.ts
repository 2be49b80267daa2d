/**
 * What may happen to one call, as data: what decides by a step compares this union, so that a renamed step does not compile.
 * The words that people read are in `step-words.ts`.
 */
import type { BindingId } from '../binding.ts';
import type { CallOutcome, ClosingWord, WakeStatus } from './types.ts';

/** How a REGISTER is noticed while a call waits. */
export type RegisterSensor = 'event' | 'hep' | 'watch';

/** What the push service made of a push in the end; the same words as the outcome of the push port. */
export type PushVerdict = 'accepted' | 'tokenDead' | 'misconfigured' | 'failed' | 'retryLater';

/** The orders that a link gets for the legs of a call. */
export type LegOrder = 'compose' | 'dial' | 'dialStored' | 'giveUp';

/** A step of the whole call. */
interface OfCall {
  readonly device?: undefined;
}

/** A step of one of its devices. */
interface OfDevice {
  readonly device: BindingId;
}

export type CallStep =
  // The call comes.
  | ({ readonly step: 'seen'; readonly toWake: number } & OfCall)
  | ({ readonly step: 'takenUp' } & OfDevice)
  /** Rung as without pushwake: nothing to wake, the PBX did not say what it holds, or we only observe. */
  | ({ readonly step: 'plainPath'; readonly why: 'noBinding' | 'pbxSilent' | 'observed' } & OfCall)
  | ({ readonly step: 'pbxSilent'; readonly error: string } & OfCall)
  // Pushes.
  | ({ readonly step: 'pushSent'; readonly provider: string } & OfDevice)
  | ({ readonly step: 'pushDelayed' } & OfDevice)
  | ({ readonly step: 'pushSettled'; readonly verdict: PushVerdict; readonly reason?: string } & OfDevice)
  | ({ readonly step: 'awakeAlready' } & OfDevice)
  | ({ readonly step: 'noLongerAwake' } & OfDevice)
  | ({ readonly step: 'pushedAgain' } & OfDevice)
  // The phone comes.
  | ({ readonly step: 'registerSeen'; readonly sensor: RegisterSensor } & OfCall)
  /**
   * Not `proved`: a new contact of the account that names no device we know was taken for it. `undated`: it was learnt when the link came back,
   * so that it happened before.
   */
  | ({ readonly step: 'registered'; readonly proved: boolean; readonly undated?: true } & OfDevice)
  /** The PBX answered its REGISTER with this SIP status. Not `proved`: it named no device we know. */
  | ({ readonly step: 'registerRefused'; readonly status: number; readonly proved: boolean } & OfDevice)
  | ({ readonly step: 'storedIsRung' } & OfDevice)
  /** Its Contact holds what a dial string could take for its own. `reason` never repeats the text. */
  | ({ readonly step: 'notDialable'; readonly reason: string } & OfDevice)
  | ({ readonly step: 'dialled' } & OfDevice)
  /** The INVITE reached no phone; its leg waits for another REGISTER. */
  | ({ readonly step: 'notReached'; readonly cause: number } & OfDevice)
  /** It registered at another address before it rang at the one that was dialled. */
  | ({ readonly step: 'dialledAnew' } & OfDevice)
  | ({ readonly step: 'ringing'; readonly at: 'fresh' | 'stored' } & OfDevice)
  /** Without a device: somebody else of this call, whom we did not dial. */
  | { readonly step: 'answered'; readonly device?: BindingId }
  | ({ readonly step: 'declined'; readonly cause: number } & OfDevice)
  // What the link does for us.
  /** It went away while the call waited. */
  | ({ readonly step: 'linkLost' } & OfCall)
  /** By another node beside this PBX, while this one stood still or was cut off: the call goes on, and is none of ours any more. */
  | ({ readonly step: 'takenOver' } & OfCall)
  | ({ readonly step: 'ordered'; readonly order: LegOrder; readonly legGone: boolean } & OfCall)
  | ({ readonly step: 'orderFailed'; readonly order: LegOrder; readonly error: string } & OfCall)
  | ({ readonly step: 'statusNotSet'; readonly status: WakeStatus } & OfCall)
  // The end.
  | ({ readonly step: 'told'; readonly word: ClosingWord } & OfDevice)
  | ({ readonly step: 'endUnknown' } & OfCall)
  /** `outcome` absent: it was rung as without pushwake. */
  | ({ readonly step: 'over'; readonly outcome?: CallOutcome } & OfCall)
  | ({ readonly step: 'registeredLate' } & OfDevice)
  | ({ readonly step: 'shownEnded'; readonly word: ClosingWord } & OfCall)
  | ({ readonly step: 'notShownEnded'; readonly error: string } & OfCall);
