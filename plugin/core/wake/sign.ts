/** What a call showed of its phones: of one that came for it, and which ones slept through it. Pure: from the call and its steps. */
import type { BindingId } from '../binding.ts';
import { between, type DurationMs, type Instant, SECOND } from '../time.ts';
import type { CallTrace } from '../trace.ts';
import { hasRegistered } from './leg-state.ts';
import type { Wake, WakeDevice } from './types.ts';
import { cameItself } from './who.ts';

/** No person refuses a call so soon (ms) after it began to ring. */
const BY_ITSELF: DurationMs = 1 * SECOND;
/** A phone answers an INVITE with 180 within a fraction of this (ms); a call that was over sooner says nothing. */
const TIME_TO_RING: DurationMs = 4 * SECOND;

export function signOfCall({ steps }: Pick<CallTrace, 'steps'>, device: BindingId): 'rang' | 'refused' | 'not-rung' {
  const mine = steps.filter((s) => s.device === device);
  const first = (step: (typeof mine)[number]['step']) => mine.find((s) => s.step === step)?.ms;
  const dialled = first('dialled');
  const ringing = first('ringing');
  const declined = first('declined');
  const answered = first('answered');
  if (declined !== undefined && dialled !== undefined) {
    return declined - (ringing ?? dialled) <= BY_ITSELF ? 'refused' : 'rang';
  }
  if (ringing !== undefined || answered !== undefined || dialled === undefined) return 'rang';
  if (steps.some((s) => s.step === 'orderFailed') || mine.some((s) => s.step === 'notReached')) return 'rang';
  const over = steps.find((s) => s.step === 'over')?.ms ?? steps.at(-1)?.ms ?? dialled;
  return over - dialled >= TIME_TO_RING ? 'not-rung' : 'rang';
}

/**
 * From the call to the first step that shows the phone, in whole ms. Undefined: there is none, or nobody knows when it was. A stored contact that was held back
 * could not ring before it was dialled, so that its time counts from there.
 */
export function cameAfterMs(
  { steps }: Pick<CallTrace, 'steps'>,
  d: WakeDevice,
  startedAt: Instant,
): DurationMs | undefined {
  const first = steps.find((s) => s.device === d.bindingId && (s.step === 'registered' || s.step === 'ringing'));
  if (first?.step === 'registered' && first.undated) return undefined;
  const { dialledAt } = d.legs.stored;
  const heldMs = hasRegistered(d) || dialledAt === undefined ? 0 : Math.max(0, between(startedAt, dialledAt));
  return first && Math.max(0, Math.round(first.ms - heldMs));
}

/** A 180 that comes this near (ms) to the end of its call may answer an INVITE that had lain in the buffer of a phone that slept. */
const AT_THE_END: DurationMs = 500;

/**
 * Whether a call says nothing of its push: the phone did not register, and rang at its stored contact just when its caller hung up. An
 * awake phone does so in a short call, and a phone that slept does so when it reads on by itself at that moment.
 */
export function mayHaveSlept({ steps }: Pick<CallTrace, 'steps'>, d: WakeDevice): boolean {
  const mine = steps.filter((s) => s.device === d.bindingId);
  if (hasRegistered(d) || mine.some((s) => s.step === 'answered' || s.step === 'declined')) return false;
  const rang = mine.find((s) => s.step === 'ringing');
  const over = steps.find((s) => s.step === 'over') ?? steps.at(-1);
  return rang !== undefined && over !== undefined && over.ms - rang.ms < AT_THE_END;
}

/** The devices that slept through a call which nobody took. */
export function sleptThrough(wake: Wake, { steps }: Pick<CallTrace, 'steps'>): readonly BindingId[] {
  if (wake.status === 'UNAVAILABLE' || (wake.outcome !== 'cancelled' && wake.outcome !== 'gave-up')) return [];
  const cameLate = (id: BindingId) => steps.some((s) => s.device === id && s.step === 'registeredLate');
  return wake.devices
    .filter((d) => !cameItself(d) && d.declined === undefined && !cameLate(d.bindingId))
    .map((d) => d.bindingId);
}
