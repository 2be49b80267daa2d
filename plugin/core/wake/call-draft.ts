/**
 * A waiting call while one fact is applied to it. Rules change the draft and say what shall be done; `finish()` then works out
 * once how the dialplan learns its status, whether the call is over and who is sent which closing word. The wake that came
 * in stays as it was; bindings, targets and contacts are shared with it, not copied.
 */
import type { Binding } from '../binding.ts';
import type { Policy } from '../policy.ts';
import type { Instant } from '../time.ts';
import { isDialling } from './leg-state.ts';
import type { CallStep } from './steps.ts';
import type {
  CallOutcome,
  ClosingWord,
  FreshLeg,
  StoredContact,
  StoredLeg,
  Wake,
  WakeDevice,
  WakeEffect,
  WakeStatus,
} from './types.ts';
import { mayBeAnother } from './who.ts';

type Changing<T> = { -readonly [K in keyof T]: T[K] };

export type DeviceDraft = Changing<Omit<WakeDevice, 'legs'>> & {
  readonly legs: { readonly stored: Changing<StoredLeg>; fresh: Changing<FreshLeg> };
};

export interface WakeStep {
  readonly wake: Wake;
  readonly effects: readonly WakeEffect[];
}

export class CallDraft {
  /** The fields that never change. For the others see the draft itself. */
  readonly call: Pick<Wake, 'wakeLeg' | 'startedAt' | 'endsAt'>;
  readonly pbx: string;
  readonly now: Instant;
  readonly devices: readonly DeviceDraft[];
  phase: Wake['phase'];
  rungAtOnce: readonly string[];
  early: readonly StoredContact[];
  readonly #before: Wake;
  readonly #policyFor: (b: Binding) => Policy;
  readonly #effects: WakeEffect[] = [];
  #status: { readonly status: WakeStatus; readonly legId: string | undefined } | undefined;
  #end: { readonly word: ClosingWord; readonly outcome: CallOutcome } | undefined;

  constructor(before: Wake, now: Instant, policyFor: (b: Binding) => Policy) {
    this.#before = before;
    this.#policyFor = policyFor;
    this.call = before;
    this.pbx = before.pbx;
    this.now = now;
    this.devices = before.devices.map((d) => ({
      ...d,
      legs: { stored: { ...d.legs.stored }, fresh: { ...d.legs.fresh } },
    }));
    this.phase = before.phase;
    this.rungAtOnce = before.rungAtOnce;
    this.early = before.early;
  }

  policy({ binding }: Pick<WakeDevice, 'binding'>): Policy {
    return this.#policyFor(binding);
  }

  do(...effects: readonly WakeEffect[]): void {
    this.#effects.push(...effects);
  }

  step(step: CallStep): void {
    this.#effects.push({ type: 'step', step });
  }

  /**
   * `legId`: a leg that waits, by which the dialplan learns it. Undefined: for the trace only, the dialplan finds it out by
   * itself.
   */
  status(status: WakeStatus, legId: string | undefined): void {
    this.#status = { status, legId };
  }

  /** Ends one leg of a device; the PBX gives `cause` to the other side of the call. */
  giveUp(d: DeviceDraft, which: keyof WakeDevice['legs'], cause: number): void {
    const leg = d.legs[which];
    if (leg.legId === undefined) return;
    leg.state = 'ended';
    this.do({ type: 'giveUp', legId: leg.legId, cause });
  }

  /** The call is over. `word`: for the devices that did not get it; `outcome`: where that is not the same word. */
  end(word: ClosingWord, outcome: CallOutcome = word): void {
    this.#end = { word, outcome };
  }

  get isOver(): boolean {
    return this.#end !== undefined || this.phase === 'over';
  }

  finish(): WakeStep {
    const end = this.#end;
    const said = this.#statusSaid(end?.word);
    const effects = said ? beforeLegsEnd(this.#effects, { type: 'status', ...said }) : this.#effects;
    if (end) effects.push(...this.#closingWords(end.word), { type: 'watch', on: false }, { type: 'over' });
    return {
      wake: {
        ...this.#before,
        devices: this.devices,
        rungAtOnce: this.rungAtOnce,
        early: this.early,
        phase: end ? 'over' : this.phase,
        ...(end && { outcome: end.outcome, endedAt: this.now }),
        ...(said && { status: said.status, isStatusTold: said.legId !== undefined }),
      },
      effects,
    };
  }

  /** Writes a status once, through a waiting leg; a status that the dialplan has already is not written again. */
  #statusSaid(word: ClosingWord | undefined): { status: WakeStatus; legId?: string } | undefined {
    const last = this.#status?.status ?? this.#before.status;
    const ours = this.devices.some((d) => d.legs.fresh.state === 'answered' || d.legs.stored.state === 'answered');
    const { status, legId } =
      word === 'elsewhere' && !ours && last === 'NOBODY'
        ? { status: 'ELSEWHERE' as const, legId: undefined }
        : (this.#status ?? {});
    if (status === undefined || (status === this.#before.status && this.#before.isStatusTold)) return undefined;
    return { status, ...(legId === undefined ? {} : { legId }) };
  }

  /** Each pushed device that neither got the call nor rang gets one closing push; a device that rang learned the end by SIP. */
  #closingWords(word: ClosingWord): WakeEffect[] {
    const effects: WakeEffect[] = [];
    for (const device of this.devices) {
      const { state } = device.legs.fresh;
      // An INVITE is under way to a contact that has just registered, so the CANCEL reaches the phone. A stored contact may be dead.
      const hearsBySip = device.rang || isDialling(state) || state === 'answered';
      const knows = mayBeAnother(device) ? device.pushes === 0 : device.told || hearsBySip;
      if (knows || device.push === 'dead') continue;
      device.told = true;
      effects.push({ type: 'tell', device, word });
    }
    return effects;
  }
}

/** A leg takes the status to the dialplan only while it is there. */
function beforeLegsEnd(effects: readonly WakeEffect[], status: WakeEffect): WakeEffect[] {
  const at = effects.findIndex((e) => e.type === 'giveUp' || e.type === 'compose');
  return at < 0 ? [...effects, status] : effects.toSpliced(at, 0, status);
}
