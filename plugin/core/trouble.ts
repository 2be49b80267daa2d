/**
 * Names the cause why a device does not come for calls as it should, from the signs that its pushes left. Pure. A cause is named
 * only where the signs fit no other; else there is none, and people are told that it is not known.
 */
import type { Binding } from './binding.ts';
import type { CallSign } from './signs.ts';
import { between, DAY, type DurationMs, type Instant } from './time.ts';
import { wakesSeldom } from './wake-record.ts';

export type TroubleCause =
  | 'demoted'
  | 'refuses'
  | 'not-rung'
  | 'arrives-late'
  | 'comes-late'
  | 'received-only'
  | 'voip-withheld'
  | 'voip-never'
  | 'no-push-wakes'
  | 'nothing-heard'
  | 'silent-unanswered'
  | 'wakes-seldom';

/** What is wrong with a device now. */
export interface Trouble {
  readonly cause: TroubleCause;
  readonly since: Instant;
  /** The user is asked to open the app, and it is not known yet whether the push service took that: then again. */
  readonly askAgainAt?: Instant;
}

/** So many calls in a row that ended alike say something. */
const ENOUGH = 3;
/** So many of the last confirmed pushes that arrived with a lower priority. */
const LOWERED_ENOUGH = 3;
/** So many lifetimes in which no silent push was answered. */
const SPELLS_ENOUGH = 2;
/** A phone that is off for a night has missed calls, and nothing is wrong with it. */
const LONG_SILENCE: DurationMs = DAY;

type Known = Pick<Binding, 'targets' | 'contacts' | 'wakes' | 'signs' | 'renewedAt'>;

/** Undefined: nothing is wrong, or it is not known what. */
export function causeOf(b: Known): TroubleCause | undefined {
  const { calls = [], lowered = [], silentSpells = 0 } = b.signs ?? {};
  if (lowered.filter(Boolean).length >= LOWERED_ENOUGH) return 'demoted';
  const last = calls.slice(-ENOUGH);
  const all = (...signs: readonly CallSign[]) => last.length === ENOUGH && last.every((c) => signs.includes(c.sign));
  if (all('refused')) return 'refuses';
  if (all('not-rung')) return 'not-rung';
  if (all('received-late')) return 'arrives-late';
  if (all('received')) return isSeenRegistering(b) ? 'received-only' : undefined;
  if (all('late')) return 'comes-late';
  if (all('nothing')) return causeOfSilence(b);
  if (silentSpells >= SPELLS_ENOUGH) return 'silent-unanswered';
  return wakesSeldom(b) ? 'wakes-seldom' : undefined;
}

/** A device that only reports over HTTP does not say in its REGISTER which device it is: that it sent none is not known. */
function isSeenRegistering({ contacts }: Pick<Binding, 'contacts'>): boolean {
  return contacts.length > 0;
}

/** The last calls brought nothing at all. What else was heard of the phone meanwhile decides what that means. */
function causeOfSilence(b: Known): TroubleCause | undefined {
  const { targets, wakes, signs, renewedAt } = b;
  const last = (signs?.calls ?? []).slice(-ENOUGH);
  const [first] = last;
  const latest = last.at(-1);
  if (!first || !latest) return undefined;
  const { call, other } = targets;
  const hasTwo = call !== undefined && other !== undefined && !call.token.equals(other.token);
  if (hasTwo && signs?.otherAt !== undefined && signs.otherAt > first.at) {
    return wakes?.some((ms) => ms !== null) ? 'voip-withheld' : 'voip-never';
  }
  if (last.every((c) => c.on) && isSeenRegistering(b)) return 'no-push-wakes';
  const isSilent = renewedAt < first.at && between(first.at, latest.at) >= LONG_SILENCE;
  return isSilent ? 'nothing-heard' : undefined;
}

interface Words {
  /** What is wrong, as a sentence. */
  readonly cause: string;
  readonly remedy: string;
  /** Whether it helps that the user opens the app, so that he is asked to. */
  readonly asksUser: boolean;
}

/** One table for `explain`, the pages, the log and the events. */
export const TROUBLES: Readonly<Record<TroubleCause, Words>> = {
  'voip-withheld': {
    cause:
      'Its token for calls is taken by the push service and has stopped waking the phone, while its other token still works: most likely iOS holds its VoIP pushes back, as it does with an app that did not report one of them to CallKit.',
    remedy:
      'The user opens the app. The app’s developer makes it report each VoIP push to CallKit, also one of a call that is over (docs/app-payloads.md).',
    asksUser: true,
  },
  'voip-never': {
    cause:
      'Its token for calls is taken by the push service and has never woken the phone, while its other token works: the app does not act on VoIP pushes.',
    remedy:
      'The user opens the app. Check with the app’s developer: background mode "voip", a PushKit registry that is made at each start, and the report to CallKit (docs/app-payloads.md).',
    asksUser: true,
  },
  demoted: {
    cause:
      'Urgent pushes arrive at this phone with normal priority: Google has demoted the app on it, because urgent pushes showed nothing to the user.',
    remedy:
      'The app must show a notification for each call (docs/app-payloads.md). On the phone: allow its notifications, take it out of battery saving, and open it.',
    asksUser: true,
  },
  'received-only': {
    cause: 'The app confirms the pushes of calls, and the phone does not register after them.',
    remedy:
      'Is the account still signed in there? Can the phone reach the PBX from its network? Check with the app’s developer that a push of type `call` makes it send REGISTER.',
    asksUser: true,
  },
  'no-push-wakes': {
    cause: 'The phone is on and the app registers when it is opened, but no push wakes it.',
    remedy:
      'On the phone: allow notifications and background activity, switch battery saving off for the app, do not force-stop it. If it never worked: does the app send its present token?',
    asksUser: true,
  },
  'silent-unanswered': {
    cause:
      'The app answers no silent push, though the phone is on: it is renewed only when it is called or opened, and its binding may end.',
    remedy:
      'On the phone: allow background refresh (iOS) or unrestricted battery use (Android). Check with the app’s developer that a push of type `refresh` makes it send REGISTER.',
    asksUser: true,
  },
  'arrives-late': {
    cause: 'Pushes of calls take more than 10 s to arrive at this phone: its system or its network puts them off.',
    remedy:
      'On the phone: take the app out of battery saving and data saving; in its Wi-Fi, let TCP 5223 (Apple) and 5228 to 5230 (Google) pass.',
    asksUser: false,
  },
  'comes-late': {
    cause: 'The phone wakes for calls and registers only when they are over.',
    remedy:
      'Ring longer: raise the time of the Dial (and `ringTime` of the policy) above what the phone takes. On the phone: battery saving off for the app.',
    asksUser: false,
  },
  'not-rung': {
    cause: 'The phone wakes and registers for calls, but does not answer its INVITE with 180.',
    remedy:
      'Look at SIP between PBX and phone: NAT, firewall, `rewrite_contact`; TLS or TCP get through where UDP does not.',
    asksUser: false,
  },
  refuses: {
    cause: 'The phone wakes, and refuses each call at once: do not disturb, or the app’s own rule.',
    remedy: 'On the phone: look for do not disturb in the app and in the system, and for the permission to show calls.',
    asksUser: false,
  },
  'nothing-heard': {
    cause:
      'Nothing at all was heard of this phone for more than a day of calls: it is off, without a network, or the app was removed and the push service does not know it yet.',
    remedy: 'Is the phone still in use? If it is, the user opens the app once.',
    asksUser: false,
  },
  'wakes-seldom': {
    cause: 'Fewer than half of its last call pushes woke the phone.',
    remedy: 'On the phone: switch battery saving off for the app, allow background activity, do not force-stop it.',
    asksUser: false,
  },
};
