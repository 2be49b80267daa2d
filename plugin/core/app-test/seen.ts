/** What was seen while an app was measured: durations, counts and a person's answers. Nothing in it names an account, a token or a number. */
import type { BindingId } from '../binding.ts';
import type { DurationMs } from '../time.ts';
import type { CallTrace, TraceStep } from '../trace.ts';
import type { QuestionName } from './questions.ts';

export const STEPS = [
  'call',
  'cancel-before',
  'cancel-after',
  'elsewhere',
  'two-calls',
  'late-wake',
  'repeated',
  'silent',
  'notice',
  'token',
  'log-out',
] as const;

export type StepName = (typeof STEPS)[number];

/** One test call as it went for the device that is measured. All times in ms since the call was seen; absent: it did not happen. */
export interface CallSeen {
  /** `none`: the phone was rung without a push, or nothing is known of one. */
  readonly push: 'accepted' | 'refused' | 'none';
  /** When the push service had taken the push. */
  readonly pushedMs?: DurationMs;
  readonly registeredMs?: DurationMs;
  /** Whether that REGISTER named the device. Absent: it did not register. */
  readonly named?: boolean;
  /** The PBX refused its REGISTER with this status. */
  readonly refusedStatus?: number;
  readonly dialledMs?: DurationMs;
  readonly ringingMs?: DurationMs;
  /** It rang at the contact that the PBX still held: it was not asleep. */
  readonly rangAtOnce: boolean;
  readonly answeredMs?: DurationMs;
  readonly declinedMs?: DurationMs;
  readonly declinedCause?: number;
  /** When the test asked the person to answer. Absent: it did not. */
  readonly mayAnswerMs?: DurationMs;
  /** When the test ended it. */
  readonly endedMs?: DurationMs;
  /** It registered after the end. */
  readonly lateMs?: DurationMs;
}

/** REGISTERs of the account that were noticed in a step, and what they said of push. */
export interface RegistersSeen {
  /** Whose Contact says something of push, or that came from an app which reports by HTTP. */
  readonly withPush: number;
  /** Whose Contact says nothing, from a contact that was not there before the test. */
  readonly withoutPush: number;
  /** Log-outs (Expires 0) that the PBX showed as such. */
  readonly loggedOut: number;
  /** ms since the step's push or instruction. Absent: none came. */
  readonly firstMs?: DurationMs;
}

export type Answer = 'yes' | 'no';
/** What the person at the phone may say: `unseen`, nobody looked. */
export type Said = Answer | 'unseen';

export interface StepSeen {
  readonly step: StepName;
  /** `cut`: the test ended within it. */
  readonly state: 'done' | 'skipped' | 'cut';
  /** Why it was skipped or cut. */
  readonly why?: string;
  readonly calls: readonly CallSeen[];
  readonly registers: RegistersSeen;
  readonly answers: Readonly<Partial<Record<QuestionName, Answer>>>;
  /** What the service made of a push that is no call push. Absent: none was sent. */
  readonly push?: 'accepted' | 'refused' | 'impossible';
  /** How many bindings of the account could be woken, before and after. */
  readonly bindings: { readonly before: number; readonly after: number };
  /** The measured device has other tokens than before the step. */
  readonly newTokens: boolean;
  /** The PBX holds a contact of the measured device. `unknown`: it could not be asked. */
  readonly held: 'yes' | 'no' | 'unknown';
}

const msOf = (steps: readonly TraceStep[], fits: (s: TraceStep) => boolean): DurationMs | undefined => {
  const found = steps.find(fits);
  return found === undefined ? undefined : Math.round(found.ms);
};

/** A call as it went for `device`. `marks`: what the test itself did, in the trace's own ms. */
export function callSeen(
  trace: Pick<CallTrace, 'steps'>,
  device: BindingId,
  marks: { readonly mayAnswerMs: DurationMs | undefined; readonly endedMs: DurationMs | undefined },
): CallSeen {
  const own = trace.steps.filter((s) => s.device === undefined || s.device === device);
  const settled = own.find((s) => s.step === 'pushSettled');
  const registered = own.find((s) => s.step === 'registered');
  const refused = own.find((s) => s.step === 'registerRefused');
  const rang = own.find((s) => s.step === 'ringing');
  const declined = own.find((s) => s.step === 'declined');
  const isAccepted = settled?.step === 'pushSettled' && settled.verdict === 'accepted';
  const times = {
    pushedMs: isAccepted ? msOf(own, (s) => s === settled) : undefined,
    registeredMs: msOf(own, (s) => s === registered),
    dialledMs: msOf(own, (s) => s.step === 'dialled'),
    ringingMs: msOf(own, (s) => s === rang),
    // A caller who was answered before (FreeSWITCH) is taken over by the phone: then only the end says so.
    answeredMs: msOf(own, (s) => s.step === 'answered' || (s.step === 'over' && s.outcome === 'answered')),
    declinedMs: msOf(own, (s) => s === declined),
    lateMs: msOf(own, (s) => s.step === 'registeredLate'),
    mayAnswerMs: marks.mayAnswerMs,
    endedMs: marks.endedMs,
  };
  return {
    push: isAccepted ? 'accepted' : settled === undefined ? 'none' : 'refused',
    rangAtOnce: rang?.step === 'ringing' && rang.at === 'stored',
    ...(registered?.step === 'registered' && { named: registered.proved }),
    ...(refused?.step === 'registerRefused' && { refusedStatus: refused.status }),
    ...(declined?.step === 'declined' && { declinedCause: declined.cause }),
    ...present(times),
  };
}

/** Without the keys whose value is not known. */
function present<T extends Readonly<Record<string, number | undefined>>>(of: T): { [K in keyof T]?: number } {
  return Object.fromEntries(Object.entries(of).filter(([, v]) => v !== undefined)) as { [K in keyof T]?: number };
}
