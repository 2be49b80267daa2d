/**
 * The likely cause why one device did not ring, or was not answered, and what to do about it. What a push service said comes
 * before when the phone came, and how the call ended before both: a desk phone that answered after half a second is no
 * reason to ring longer. Pure; where nobody can know, the text says so. The table of endings is `docs/endings.md`.
 */
import type { Binding, BindingId } from './binding.ts';
import { remedyOfTrouble } from './push-remedies.ts';
import { type DurationMs, SECOND } from './time.ts';
import { type CallTrace, type TraceStep, wasBlind } from './trace.ts';
import { TROUBLES } from './trouble.ts';
import type { CallStep } from './wake/steps.ts';
import { Cause } from './wake/types.ts';
import { wakesSeldom } from './wake-record.ts';

export interface Reason {
  /** Absent where all went as it should. */
  readonly cause?: string;
  /** Absent where there is nothing to mend, or nobody can say what. */
  readonly remedy?: string;
}

export type Of<S extends CallStep['step']> = Extract<TraceStep, { step: S }>;
/** The first such step of one device. */
export type Find = <S extends CallStep['step']>(step: S) => Of<S> | undefined;

export const stepsOf = (trace: CallTrace, device: BindingId): Find => {
  const mine = trace.steps.filter((s) => s.device === device);
  return (step) => mine.find((s): s is Of<typeof step> => s.step === step);
};

/** An answer of Apple's or Google's takes a fraction of a second; a call that was over before says nothing of them. */
const ENOUGH_FOR_AN_ANSWER: DurationMs = 2 * SECOND;
/** No phone wakes, connects and registers much faster. */
const TOO_SHORT: DurationMs = 3 * SECOND;
/** What ends this soon after a REGISTER crossed with it. */
const CROSSED: DurationMs = 1 * SECOND;

const RING_LONGER =
  'Ring longer: raise the time of the Dial (and `ringTime` of the policy) above what the phone takes.';

export function reasonOf(trace: CallTrace, device: BindingId, b: Binding | undefined): Reason {
  const at = stepsOf(trace, device);
  const declined = at('declined');
  if (!trace.over || at('answered')) return {};
  if (declined) return { cause: `${declinedInWords(declined.cause)}.` };
  if (at('ringing')) return { cause: rangInWords(trace) };
  if (at('registered')) return cameInTime(trace, at);
  if (trace.status === 'UNAVAILABLE') return PBX_SILENT;
  const notTaken = at('registerRefused');
  if (notTaken) return registerRefused(notTaken);
  const verdict = verdictOf(trace, device);
  const refused = refusal(verdict);
  if (refused) return refused;
  if (at('registeredLate')) return cameTooLate(trace, at);
  if (wasBlind(trace)) return LINK_LOST;
  if (verdict?.step === 'pushSettled' || at('awakeAlready')) return neverCame(trace, b);
  return noVerdict(trace, at);
}

const LINK_LOST: Reason = {
  cause: 'The link to the PBX was away while the call waited: whether the phone came meanwhile is not known.',
  remedy: 'Look for "pbx link down" in the log at that time.',
};

export const PBX_SILENT: Reason = {
  cause:
    'The PBX did not say in time what it holds, so the call went on without pushwake; whether it rang is not known here.',
  remedy: 'Is the PBX overloaded? Look for "pbx link down" in the log at that time.',
};

export function verdictOf(trace: CallTrace, device: BindingId): Of<'pushSettled' | 'pushDelayed'> | undefined {
  const mine = trace.steps.filter((s) => s.device === device);
  return mine.findLast((s) => s.step === 'pushSettled' || s.step === 'pushDelayed');
}

/** What a SIP answer below means, by the cause the PBX made of it. */
function declinedInWords(cause: number): string {
  switch (cause) {
    case Cause.busy:
      return 'The phone was busy: in another call, or set to do not disturb';
    case Cause.rejected:
      return 'The call was declined at the phone';
    default:
      return 'The phone answered that it does not take the call (temporarily unavailable, or its user dismissed it)';
  }
}

function rangInWords({ outcome }: CallTrace): string {
  switch (outcome) {
    case 'elsewhere':
    case 'answered':
      return 'It rang, and the call was answered at another phone.';
    case 'cancelled':
      return 'It rang, and the caller hung up before anybody answered.';
    case 'declined':
      return 'It rang, and the call was declined at another phone for all.';
    default:
      return 'It rang and nobody answered.';
  }
}

/** It registered while the call waited, and no 180 came back. */
function cameInTime(trace: CallTrace, at: Find): Reason {
  const dialled = at('dialled');
  const order = trace.steps.findLast((s) => (s.step === 'orderFailed' || s.step === 'ordered') && s.order === 'dial');
  if (order?.step === 'orderFailed') {
    return {
      cause: 'The phone registered, but the order to ring it did not reach the PBX.',
      remedy: 'Look for "pbx link down" in the log at that time: the link to the PBX was away.',
    };
  }
  const refused = at('notDialable');
  if (refused && !dialled) {
    return {
      cause: `The phone registered, and its Contact cannot be dialled safely: it holds ${refused.reason}.`,
      remedy: 'The app’s publisher must mend the Contact of its REGISTER: RFC 3261 §25.1, nothing a dial string reads.',
    };
  }
  const registered = at('registered');
  const crossed = endedAt(trace) - (dialled ?? registered ?? { ms: 0 }).ms < CROSSED;
  // It happened before: the call may have ended by the time we learnt of it, and the phone have come in time.
  if (registered?.undated && (crossed || !dialled)) return LINK_LOST;
  if (crossed) {
    return { cause: `The phone registered just when the call ended (${endInWords(trace)}).` };
  }
  if (!dialled) {
    return {
      cause: 'The phone registered, and no leg of the call waited for it at the PBX any more.',
      remedy: 'Does the dialplan end this leg early (a limit of the queue or of the group)?',
    };
  }
  return {
    cause: 'The phone woke and registered, but its INVITE was not answered with 180.',
    remedy:
      'Look at SIP between PBX and phone: NAT, firewall, `rewrite_contact`; TLS or TCP get through where UDP does not.',
  };
}

function registerRefused({ status, proved }: Of<'registerRefused'>): Reason {
  if (status === 401 || status === 407) {
    return {
      cause: proved
        ? `The phone woke, and the PBX refused its REGISTER (${status}): user name or password is wrong.`
        : `A REGISTER of this account came with a wrong user name or password (${status}): from this phone, or from a stranger.`,
      remedy: 'Compare user name and password in the app with those of the account at the PBX.',
    };
  }
  const whose = proved ? 'The phone woke' : 'A phone of this account woke';
  return { cause: `${whose}, and the PBX refused its REGISTER (${status}).`, remedy: remedyOfRefusal(status) };
}

function remedyOfRefusal(status: number): string {
  if (status === 403) {
    return 'Most likely the account has as many contacts as it may: raise `max_contacts`, or let the new one take the place of the oldest (`remove_existing=yes`). If not, an access list forbids it: see the log of the PBX. On FreeSWITCH the password in the app is wrong, or `max-registrations-per-extension` is reached.';
  }
  if (status === 404)
    return 'The PBX knows no such account: compare the address in the app with the accounts of the PBX.';
  return status >= 500
    ? 'Is the PBX overloaded, or its database away? See its log at that time.'
    : 'See the log of the PBX at that time.';
}

/** The service refused the push, or did not take it. */
function refusal(verdict: Of<'pushSettled' | 'pushDelayed'> | undefined): Reason | undefined {
  if (verdict === undefined || verdict.step === 'pushDelayed') return undefined;
  const { reason = 'no reason given' } = verdict;
  switch (verdict.verdict) {
    case 'accepted':
      return undefined;
    case 'tokenDead':
      return {
        cause: `The push service says that this app is gone (${reason}).`,
        remedy: 'If the phone is still in use, its user opens the app: it registers with its new token.',
      };
    case 'misconfigured':
      return {
        cause: `The push service refuses our pushes (${reason}).`,
        remedy: 'Read `hint` of "push service is misconfigured" in the log: key, team, bundle id or project is wrong.',
      };
    case 'failed':
      return {
        cause: `This push was lost (${reason}): the service could not do with it, which says nothing of the phone.`,
        remedy: 'See "push given up" in the log; if it happens again, report it to us (docs/troubleshooting.md).',
      };
    case 'retryLater':
      return reason === 'aborted'
        ? undefined
        : { cause: `The push service did not take the push in time (${reason}).`, remedy: remedyOfTrouble(reason) };
    default:
      return verdict.verdict satisfies never;
  }
}

function cameTooLate(trace: CallTrace, at: Find): Reason {
  const came = seconds(at('registeredLate')?.ms ?? 0);
  const after = seconds(endedAt(trace));
  switch (trace.outcome) {
    case 'elsewhere':
    case 'answered':
      return { cause: `The call was answered elsewhere after ${after}; this phone came after ${came}.` };
    case 'cancelled':
      return { cause: `The caller hung up after ${after}; this phone came after ${came}.` };
    case 'declined':
      return { cause: `The call was declined at another phone after ${after}; this one came after ${came}.` };
    default:
      return {
        cause: `The phone woke, but after the call was over (${after}); it came after ${came}.`,
        remedy: RING_LONGER,
      };
  }
}

/** The service took the push and the phone did not come: what its record says decides what is likely. */
function neverCame(trace: CallTrace, b: Binding | undefined): Reason {
  const last = endedAt(trace);
  if (
    last < TOO_SHORT ||
    trace.outcome === 'elsewhere' ||
    trace.outcome === 'answered' ||
    trace.outcome === 'declined'
  ) {
    if (trace.outcome !== 'gave-up') {
      return { cause: `The call was over after ${seconds(last)} (${endInWords(trace)}), before this phone had come.` };
    }
    return {
      cause: `The call was over after ${seconds(last)}: too short for a phone to wake.`,
      remedy: 'If the dialplan or a queue ended it, let it ring for 20 s at least.',
    };
  }
  const known = b?.trouble && TROUBLES[b.trouble.cause];
  // What is wrong with silent pushes is no reason for a call that it missed; how seldom it comes is looked at below, as of now.
  const saysNothing = b?.trouble?.cause === 'silent-unanswered' || b?.trouble?.cause === 'wakes-seldom';
  if (known && !saysNothing) return { cause: known.cause, remedy: known.remedy };
  const wakes = b?.wakes ?? [];
  const came = wakes.filter((ms) => ms !== null).length;
  if (wakes.length >= 3 && came === 0) {
    return {
      cause: 'The push service took the push, and this phone has never come for one: the app may not act on it.',
      remedy:
        'Check with the app’s developer that it sends REGISTER for a push of type `call` (docs/app-payloads.md), then on the phone: notifications, background activity, battery saving.',
    };
  }
  if (b && wakesSeldom(b)) {
    return {
      cause: 'The push service took the push, but this phone comes seldom.',
      remedy: 'On the phone: switch battery saving off for the app, allow background activity, do not force-stop it.',
    };
  }
  return {
    cause: 'The push service took the push, and the phone did not come: most likely it is off or without a network.',
    remedy: 'Try again when it is online. If it does not come then either, look at its battery saving and at the app.',
  };
}

/** No verdict: the push was under way, tried again, or was sent before we were started anew. */
function noVerdict(trace: CallTrace, at: Find): Reason {
  const sent = at('pushSent');
  if (!sent) {
    return at('takenUp')
      ? {
          cause:
            'pushwake was started, or reached the PBX again, while the call waited: what became of its push is not known.',
        }
      : {};
  }
  const delayed = at('pushDelayed');
  if (endedAt(trace) - sent.ms < ENOUGH_FOR_AN_ANSWER && !delayed) {
    return { cause: `The call was over after ${seconds(endedAt(trace))}, before the push service had answered.` };
  }
  return {
    cause: 'The push service had not taken the push when the call was over.',
    remedy: remedyOfTrouble('no answer'),
  };
}

/** Milliseconds from the beginning to the end. */
export const endedAt = (trace: CallTrace): DurationMs =>
  (trace.steps.findLast((s) => s.step === 'over') ?? trace.steps.at(-1))?.ms ?? 0;

function endInWords({ outcome }: CallTrace): string {
  switch (outcome) {
    case 'elsewhere':
    case 'answered':
      return 'answered elsewhere';
    case 'cancelled':
      return 'the caller hung up';
    case 'declined':
      return 'declined at another phone';
    default:
      return 'its ring time was over';
  }
}

export const seconds = (ms: DurationMs) => `${(ms / SECOND).toFixed(1)} s`;
