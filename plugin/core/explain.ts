/**
 * "Why did it not ring?" in sentences: what happened, the likely cause, what to do. Pure: from the trace of a call and the
 * record of its account. Says nothing that was not seen; where it can only guess it says so.
 */
import type { Aor } from './aor.ts';
import type { AorRecord, Binding, BindingId, EndReason } from './binding.ts';
import { endedAt, type Of, PBX_SILENT, type Reason, reasonOf, seconds, stepsOf, verdictOf } from './explain-cause.ts';
import { between, DAY, HOUR, type Instant, MINUTE, SECOND } from './time.ts';
import type { CallTrace, TraceStep } from './trace.ts';
import { TROUBLES, type Trouble } from './trouble.ts';
import type { PushVerdict } from './wake/steps.ts';
import { type CallOutcome, Cause } from './wake/types.ts';
import { recordInWords, wakesSeldom } from './wake-record.ts';

export interface Explanation extends Reason {
  /** What happened, oldest first. */
  readonly sentences: readonly string[];
}

export function explainCall(trace: CallTrace, record: AorRecord | undefined, now: Instant): Explanation {
  const head = `Call ${trace.callId} for ${trace.aor}, ${ago(trace.at, now)}, on ${trace.pbx}: ${endOf(trace)}.`;
  const devices = [...new Set(trace.steps.flatMap((s) => (s.device === undefined ? [] : [s.device])))];
  if (devices.length === 0) return { sentences: [head], ...plainPath(trace, record, now) };
  const each = devices.map((id) => explainDevice(id, trace, binding(record, id)));
  // One that can be mended first; of several devices it says whose it is.
  const troubled =
    trace.outcome === 'answered'
      ? undefined
      : (each.find((e) => e.remedy !== undefined) ?? each.find((e) => e.cause !== undefined));
  const whose = devices.length > 1 && troubled ? `${troubled.name}: ` : '';
  return {
    sentences: [head, ...each.map((e) => e.sentence)],
    ...(troubled?.cause === undefined ? {} : { cause: `${whose}${troubled.cause}` }),
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
    const known = `${nameOf(b)} ${state}, last heard from ${ago(b.renewedAt, now)}; ${recordInWords(b.wakes)}`;
    const rest = b.trouble ? `${known}. ${troubleInWords(b.trouble, now)}` : `${known}${seldom}.`;
    return [rest, ...besideCalls(b, now)].join(' ');
  });
  const gone = (record?.tombstones ?? []).map(
    (t) => `Device ${short(t.id)} ended ${ago(t.endedAt, now)}: ${IN_WORDS[t.reason]}.`,
  );
  return [...living, ...gone];
}

/** What its user was, or is to be, sent word of beside calls, in sentences. */
function besideCalls(b: Binding, now: Instant): string[] {
  const { texts, voicemail, missed } = b;
  // A VoIP push is for calls.
  const cannot = b.targets.other ? '' : ', and it cannot be pushed for that: its app gave only a VoIP token';
  const pushed = (againAt: Instant | undefined) =>
    cannot || (againAt === undefined ? '; the push is settled' : `; the push goes out again ${against(againAt, now)}`);
  return [
    ...(texts
      ? [
          `${count(texts.count, 'text')} wait${texts.count === 1 ? 's' : ''} until it registers, the last one came ${ago(texts.at, now)}${pushed(texts.againAt)}.`,
        ]
      : []),
    ...(voicemail && (voicemail.count > 0 || voicemail.how)
      ? [
          `Its mailbox has ${count(voicemail.count, 'new voice message')}, as of ${ago(voicemail.at, now)}${pushed(voicemail.againAt)}.`,
        ]
      : []),
    ...(missed
      ? [
          `It slept through ${count(missed.count, 'call')} since it was last heard from, the last one ${ago(missed.at, now)}${pushed(missed.againAt)}.`,
        ]
      : []),
  ];
}

/** Those of an account that do not come for calls as they should, one line each. */
export const troubledIn = (aor: Aor, bindings: readonly Binding[]): string[] =>
  bindings
    .filter((b) => b.trouble !== undefined || wakesSeldom(b))
    .map(
      (b) => `${aor} ${nameOf(b)}: ${recordInWords(b.wakes)}${b.trouble ? `. ${TROUBLES[b.trouble.cause].cause}` : ''}`,
    );

function troubleInWords({ cause, since }: Trouble, now: Instant): string {
  return `${TROUBLES[cause].cause} Known for: ${ago(since, now)}. What to do: ${TROUBLES[cause].remedy}`;
}

// ── One device in one call ───────────────────────────────────────────────────────────────────────────────────────────

function explainDevice(
  id: BindingId,
  trace: CallTrace,
  b: Binding | undefined,
): Reason & { readonly name: string; readonly sentence: string } {
  const at = stepsOf(trace, id);
  const when = (word: string, step: TraceStep | undefined) => step && `${word} ${time(step)}`;
  const sent = at('pushSent');
  const verdict = verdictOf(trace, id);
  const seen = trace.steps.findLast((s) => s.step === 'registerSeen');
  const registered = at('registered');
  const refused = at('registerRefused');
  const declined = at('declined');
  const told = at('told');
  const late = at('registeredLate');
  const story = [
    when('taken up again', at('takenUp')),
    sent && `pushed ${time(sent)} by ${sent.provider}`,
    at('awakeAlready') && 'awake since an earlier round, so it was not pushed',
    verdict && verdictInWords(verdict),
    when('pushed again', at('pushedAgain')),
    refused && `was refused by the PBX (${refused.status}) when it registered ${time(refused)}`,
    registered && `registered ${time(registered)}${seen ? ` (seen by ${seen.sensor})` : ''}`,
    registered?.proved === false && 'by a new contact that does not say which device it is',
    when('dialled', at('dialled')),
    when('rang', at('ringing')),
    when('answered', at('answered')),
    declined && `said no ${time(declined)} (cause ${declined.cause})`,
    told && `got the closing push "${told.word}"`,
    late && `came ${time(late)}, too late`,
  ].filter((part) => typeof part === 'string');
  const name = b ? nameOf(b) : `Device ${short(id)}`;
  // The call described here may be the device's first: its record is written when the call is over.
  const known = b?.wakes?.length ? ` Of this device: ${recordInWords(b.wakes)}.` : '';
  return { name, sentence: `${name}: ${story.join(', ')}.${known}`, ...reasonOf(trace, id, b) };
}

function verdictInWords(of: Of<'pushSettled' | 'pushDelayed'>): string {
  if (of.step === 'pushDelayed') return `not taken at the first try ${time(of)}`;
  return `${VERDICTS[of.verdict]} ${time(of)}${of.reason === undefined ? '' : ` (${of.reason})`}`;
}

function plainPath(trace: CallTrace, record: AorRecord | undefined, now: Instant): Reason {
  if (trace.status === 'UNAVAILABLE') return PBX_SILENT;
  if (trace.steps.some((s) => s.step === 'plainPath' && s.why === 'observed')) {
    return { cause: 'pushwake only observes (`mode: observe`): it has no part in the call.' };
  }
  const last = record?.tombstones.at(-1);
  if (record && record.bindings.length > 0) {
    return record.bindings.every((b) => b.ending)
      ? {
          cause: `The devices of this account are ending: ${[...new Set(record.bindings.map((b) => IN_WORDS[b.ending?.reason ?? 'dropped']))].join('; ')}.`,
          remedy: 'The user opens the app once: its REGISTER makes a new binding.',
        }
      : {
          cause:
            'None of the devices known now could be pushed: their push service is not configured, they came after the call, or the store did not answer in time.',
          remedy:
            'Compare the services of the devices below with `push` of the configuration; look for "store" in the log at that time.',
        };
  }
  return last
    ? {
        cause: `Nothing to wake: the last binding of this account ended ${ago(last.endedAt, now)}: ${IN_WORDS[last.reason]}.`,
        remedy:
          last.reason === 'unregistered'
            ? 'On the phone: is the account signed in, and are push notifications switched on in the app?'
            : 'The user opens the app once: its REGISTER makes a new binding.',
      }
    : {
        cause: 'Nothing to wake: no REGISTER of this account with push parameters that can be read was ever seen.',
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
  unregistered: 'the app logged out, or asked for no pushes any more',
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
  if (trace.status === 'UNAVAILABLE') return 'rung as without pushwake, because the PBX did not say what it holds';
  if (trace.outcome === undefined) return 'rung as without pushwake';
  const declined = trace.outcome === 'gave-up' ? trace.steps.find((s) => s.step === 'declined') : undefined;
  const end = declined
    ? declined.cause === Cause.busy
      ? 'the phone was busy'
      : 'declined at the phone'
    : ENDS[trace.outcome];
  return `${end} after ${seconds(endedAt(trace))}`;
}

const binding = (record: AorRecord | undefined, id: BindingId) => record?.bindings.find((b) => b.id === id);
const short = (id: BindingId) => id.slice(0, 8);
const time = (s: TraceStep) => (s.ms < SECOND ? `after ${Math.round(s.ms)} ms` : `after ${seconds(s.ms)}`);
const day = (at: Instant) => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

function nameOf(b: Binding): string {
  const target = b.targets.call ?? b.targets.other;
  return target ? `Device ${short(b.id)} (${target.provider}, ${target.app})` : `Device ${short(b.id)}`;
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
const against = (at: Instant, now: Instant): string => (at <= now ? 'now' : `in ${ago(now, at).replace(' ago', '')}`);

function ago(at: Instant, now: Instant): string {
  const ms = Math.max(0, between(at, now));
  if (ms < MINUTE) return `${Math.round(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.round(ms / MINUTE)} min ago`;
  return ms < DAY ? `${Math.round(ms / HOUR)} h ago` : `${Math.round(ms / DAY)} days ago`;
}
