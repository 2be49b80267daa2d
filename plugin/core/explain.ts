/**
 * "Why did it not ring?" in sentences: what happened, the likely cause, what to do. Pure: from the trace of a call and the
 * record of its account. Says nothing that was not seen; where it can only guess it says so.
 */
import type { Aor } from './aor.ts';
import type { AorRecord, Binding, BindingId, EndReason } from './binding.ts';
import { between, DAY, type DurationMs, HOUR, type Instant, MINUTE, SECOND } from './time.ts';
import type { CallTrace, TraceStep } from './trace.ts';
import type { CallStep, PushVerdict } from './wake/steps.ts';
import type { CallOutcome } from './wake/types.ts';
import { recordInWords, wakesSeldom } from './wake-record.ts';

export interface Explanation {
  /** What happened, oldest first. */
  readonly sentences: readonly string[];
  /** The likely cause; absent where all went as it should. */
  readonly cause?: string;
  readonly remedy?: string;
}

type Of<S extends CallStep['step']> = Extract<TraceStep, { step: S }>;
/** The first such step of one device. */
type Find = <S extends CallStep['step']>(step: S) => Of<S> | undefined;
type Verdict = Of<'pushSettled' | 'pushDelayed'>;

export function explainCall(trace: CallTrace, record: AorRecord | undefined, now: Instant): Explanation {
  const head = `Call ${trace.callId} for ${trace.aor}, ${ago(trace.at, now)}, on ${trace.pbx}: ${endOf(trace)}.`;
  const devices = [...new Set(trace.steps.flatMap((s) => (s.device === undefined ? [] : [s.device])))];
  if (devices.length === 0) return { sentences: [head], ...plainPath(trace, record, now) };
  const each = devices.map((id) => explainDevice(id, trace, binding(record, id)));
  const troubled = trace.outcome === 'answered' ? undefined : each.find((e) => e.cause !== undefined);
  return {
    sentences: [head, ...each.flatMap((e) => e.sentences)],
    ...(troubled?.cause === undefined ? {} : { cause: troubled.cause }),
    ...(troubled?.remedy === undefined ? {} : { remedy: troubled.remedy }),
  };
}

/** What is known of an account's devices, call or no call. */
export function explainDevices(record: AorRecord | undefined, now: Instant): readonly string[] {
  const living = (record?.bindings ?? []).map((b) => {
    const seldom = wakesSeldom(b)
      ? '. It wakes seldom: see battery saving and notification settings of that phone'
      : '';
    const state = b.ending ? `is ending (${IN_WORDS[b.ending.reason]})` : `can be woken until ${day(b.endsAt)}`;
    return `${nameOf(b)} ${state}, last heard of ${ago(b.renewedAt, now)}; ${recordInWords(b.wakes)}${seldom}.`;
  });
  const gone = (record?.tombstones ?? []).map(
    (t) => `Device ${short(t.id)} ended ${ago(t.endedAt, now)}: ${IN_WORDS[t.reason]}.`,
  );
  return [...living, ...gone];
}

/** Those of an account that fewer than half of their last call pushes woke, one sentence each. */
export const seldomIn = (aor: Aor, bindings: readonly Binding[]): string[] =>
  bindings.filter(wakesSeldom).map((b) => `${aor} ${nameOf(b)}: ${recordInWords(b.wakes)}`);

// ── One device in one call ───────────────────────────────────────────────────────────────────────────────────────────

function explainDevice(id: BindingId, trace: CallTrace, b: Binding | undefined): Explanation {
  const mine = trace.steps.filter((s) => s.device === id);
  const at: Find = (step) => mine.find((s): s is Of<typeof step> => s.step === step);
  const when = (word: string, step: TraceStep | undefined) => step && `${word} ${time(step)}`;
  const sent = at('pushSent');
  const verdict = mine.findLast((s) => s.step === 'pushSettled' || s.step === 'pushDelayed');
  const seen = trace.steps.findLast((s) => s.step === 'registerSeen');
  const registered = at('registered');
  const declined = at('declined');
  const told = at('told');
  const late = at('registeredLate');
  const story = [
    sent && `pushed ${time(sent)} by ${sent.provider}`,
    at('awakeAlready') && 'awake since an earlier round, so it was not pushed',
    verdict && verdictInWords(verdict),
    when('pushed again', at('pushedAgain')),
    registered && `registered ${time(registered)}${seen ? ` (seen by ${seen.sensor})` : ''}`,
    when('dialled', at('dialled')),
    when('rang', at('ringing')),
    when('answered', at('answered')),
    declined && `said no ${time(declined)} (cause ${declined.cause})`,
    told && `was told "${told.word}"`,
    late && `came ${time(late)}, too late`,
  ].filter((part) => part !== undefined);
  const name = b ? nameOf(b) : `Device ${short(id)}`;
  const known = b ? ` Of this device: ${recordInWords(b.wakes)}.` : '';
  return { sentences: [`${name}: ${story.join(', ')}.${known}`], ...causeOf(trace, at, verdict, b) };
}

function verdictInWords(of: Verdict): string {
  if (of.step === 'pushDelayed') return `not taken at the first try ${time(of)}`;
  return `${VERDICTS[of.verdict]} ${time(of)}${of.reason === undefined ? '' : ` (${of.reason})`}`;
}

function causeOf(
  trace: CallTrace,
  at: Find,
  verdict: Verdict | undefined,
  b: Binding | undefined,
): Pick<Explanation, 'cause' | 'remedy'> {
  if (at('answered') || at('declined')) return {};
  if (at('ringing')) return trace.over ? { cause: 'It rang and nobody answered.' } : {};
  if (at('registeredLate')) {
    return {
      cause: 'The phone woke, but after the call was over.',
      remedy: 'Ring longer: raise the time of the Dial (and `ringTime` of the policy) above what the phone takes.',
    };
  }
  if (at('registered')) {
    return {
      cause: 'The phone woke and registered, but its INVITE was not answered with 180.',
      remedy:
        'Look at SIP between PBX and phone: NAT, firewall, `rewrite_contact`; TLS or TCP get through where UDP does not.',
    };
  }
  if (verdict?.step !== 'pushSettled') {
    return trace.over ? { cause: 'The call was over before the push service had answered.' } : {};
  }
  switch (verdict.verdict) {
    case 'tokenDead':
      return {
        cause: `The push service says that this app is gone (${verdict.reason}).`,
        remedy: 'If the phone is still in use, its user opens the app: it registers with its new token.',
      };
    case 'misconfigured':
      return {
        cause: `The push service refuses our pushes (${verdict.reason}).`,
        remedy: 'Read `hint` of "push service is misconfigured" in the log: key, team, bundle id or project is wrong.',
      };
    case 'failed':
    case 'retryLater':
      return {
        cause: `The push could not be delivered to the push service (${verdict.reason}).`,
        remedy:
          'Is the push service reachable from this machine (port 443; for Apple also 2197)? See "push given up" in the log.',
      };
    case 'accepted':
      return neverCame(trace, b);
    default:
      return verdict.verdict satisfies never;
  }
}

/** The service took the push and the phone did not come: what its record says decides what is likely. */
function neverCame(trace: CallTrace, b: Binding | undefined): Pick<Explanation, 'cause' | 'remedy'> {
  const last = trace.steps.at(-1)?.ms ?? 0;
  if (last < 3 * SECOND) {
    return {
      cause: `The call was over after ${seconds(last)}: too short for a phone to wake.`,
      remedy: 'If the dialplan or a queue ended it, let it ring for 20 s at least.',
    };
  }
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

function plainPath(
  trace: CallTrace,
  record: AorRecord | undefined,
  now: Instant,
): Pick<Explanation, 'cause' | 'remedy'> {
  if (trace.status === 'UNAVAILABLE') {
    return {
      cause: 'The PBX did not say in time what it holds, so the call took the plain path.',
      remedy: 'Is the PBX overloaded? Look for "pbx link down" in the log at that time.',
    };
  }
  const last = record?.tombstones.at(-1);
  if (record && record.bindings.length > 0) {
    return { cause: 'No push service is configured for the devices of this account, or they were ending.' };
  }
  return last
    ? {
        cause: `Nothing to wake: the last binding of this account ended ${ago(last.endedAt, now)}: ${IN_WORDS[last.reason]}.`,
        remedy: 'The user opens the app once: its REGISTER makes a new binding.',
      }
    : {
        cause: 'Nothing to wake: no REGISTER of this account with push parameters was ever seen.',
        remedy: 'Look at the Contact of the app’s REGISTER: it must hold pn-provider, pn-param and pn-prid (RFC 8599).',
      };
}

// ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const VERDICTS: Readonly<Record<PushVerdict, string>> = {
  accepted: 'taken by the push service',
  tokenDead: 'refused, the token is dead,',
  misconfigured: 'refused',
  failed: 'lost',
  retryLater: 'not taken in time',
};

/** Why a binding ended. */
export const IN_WORDS: Readonly<Record<EndReason, string>> = {
  age: 'silent for its whole lifetime, its user had been warned',
  unregistered: 'the app logged out',
  'token-dead': 'the push service said that the app is gone',
  unreachable: 'several calls in a row did not wake it',
  'aor-deleted': 'the account no longer exists on the PBX',
  dropped: 'dropped, by hand or because there were too many devices',
  'never-registered': 'reported over HTTP, but the account never registered',
  removed: 'the account was removed from the app',
};

const ENDS: Readonly<Record<CallOutcome, string>> = {
  answered: 'answered',
  elsewhere: 'answered elsewhere',
  cancelled: 'the caller gave up',
  'gave-up': 'nobody answered in time',
  declined: 'declined',
};

function endOf(trace: CallTrace): string {
  if (!trace.over) return 'still waits';
  const after = seconds(trace.steps.findLast((s) => s.step === 'over')?.ms ?? 0);
  return trace.outcome === undefined ? 'rung as without pushwake' : `${ENDS[trace.outcome]} after ${after}`;
}

const binding = (record: AorRecord | undefined, id: BindingId) => record?.bindings.find((b) => b.id === id);
const short = (id: BindingId) => id.slice(0, 8);
const time = (s: TraceStep) => (s.ms < SECOND ? `after ${Math.round(s.ms)} ms` : `after ${seconds(s.ms)}`);
const seconds = (ms: DurationMs) => `${(ms / SECOND).toFixed(1)} s`;
const day = (at: Instant) => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

function nameOf(b: Binding): string {
  const target = b.targets.call ?? b.targets.other;
  return target ? `Device ${short(b.id)} (${target.provider}, ${target.app})` : `Device ${short(b.id)}`;
}

function ago(at: Instant, now: Instant): string {
  const ms = Math.max(0, between(at, now));
  if (ms < MINUTE) return `${Math.round(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.round(ms / MINUTE)} min ago`;
  return ms < DAY ? `${Math.round(ms / HOUR)} h ago` : `${Math.round(ms / DAY)} days ago`;
}
