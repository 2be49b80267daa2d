/**
 * The pushes of one waiting call: the call push to each device, and the closing word to those that did not get the call. What a
 * service answers goes to the call first and then home by the intake.
 */
import type { Binding, BindingId } from '../../core/binding.ts';
import { between, type DurationMs, type Instant, MINUTE, plus, SECOND } from '../../core/time.ts';
import type { CallStep } from '../../core/wake/steps.ts';
import { type ClosingWord, cameProved, type PushedDevice, type Wake, type WakeEvent } from '../../core/wake.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Caller } from '../../ports/pbx-link.ts';
import type { Intake } from '../intake.ts';
import type { Delivery } from '../push/delivery.ts';

/** How long a closing word is worth delivering, in ms. */
const WORD_LASTS: DurationMs = 30 * SECOND;

export interface CallPushesOptions {
  readonly clock: Clock;
  readonly delivery: Delivery;
  readonly intake: Pick<Intake, 'fromPushOutcome'>;
  /** Makes what an app shows to ask whether its call still waits. Undefined: nobody listens for that. */
  readonly callKey: ((callId: string, until: Instant) => string) | undefined;
  /** Who calls. Undefined where the pushes must not say it. */
  readonly caller: Caller | undefined;
  readonly ringTimeOf: (binding: Binding) => DurationMs;
  /** The call as it is now. */
  readonly wake: () => Wake;
  /** The call's own clock, which no change of the wall clock disturbs. */
  readonly now: () => Instant;
  readonly trace: (step: CallStep) => void;
  readonly step: (event: WakeEvent) => void;
}

export class CallPushes {
  readonly #o: CallPushesOptions;
  /** By device: aborted when a push would be tried again that says nothing any more. */
  readonly #trying = new Map<BindingId, AbortController>();

  constructor(options: CallPushesOptions) {
    this.#o = options;
  }

  /** No further attempt is made: it would ring for a call that is over. What is under way may still bring a verdict on the token. */
  giveUp(): void {
    for (const trying of this.#trying.values()) trying.abort();
  }

  /** The same for devices whose phones have come without it: they would show a second call beside the one that they ring for. */
  giveUpThoseThatCame(): void {
    for (const d of this.#o.wake().devices)
      if (d.push === 'delayed' && cameProved(d)) this.#trying.get(d.bindingId)?.abort();
  }

  /** Wakes one device. Never rejects. */
  async call(device: PushedDevice): Promise<void> {
    const { clock, callKey, caller, ringTimeOf, now, trace, step } = this.#o;
    const { aor, callId, startedAt } = this.#o.wake();
    const { bindingId } = device;
    trace({ step: 'pushSent', device: bindingId, provider: device.target.provider });
    const trying = new AbortController();
    this.#trying.set(bindingId, trying);
    // As the wall clock shows it now: services and apps compare it with theirs.
    const expiresAt = plus(clock.now(), between(now(), plus(startedAt, ringTimeOf(device.binding))));
    const outcome = await this.#o.delivery.send(
      {
        purpose: 'call',
        aor,
        callId,
        ...(callKey && { callKey: callKey(callId, plus(expiresAt, MINUTE)) }),
        ...(caller && { caller }),
        expiresAt,
      },
      device.binding.targets,
      trying.signal,
      () => {
        const { phase, devices } = this.#o.wake();
        if (phase === 'over') return this.giveUp();
        if (devices.some((d) => d.bindingId === bindingId && cameProved(d))) return trying.abort();
        trace({ step: 'pushDelayed', device: bindingId });
        step({ type: 'PushSettled', bindingId, outcome: 'delayed' });
      },
    );
    trace({
      step: 'pushSettled',
      device: bindingId,
      verdict: outcome.kind,
      ...('reason' in outcome && outcome.reason !== undefined ? { reason: outcome.reason } : {}),
    });
    // The call first: it does not wait until the verdict is written.
    const settled = outcome.kind === 'accepted' ? 'accepted' : outcome.kind === 'tokenDead' ? 'dead' : 'failed';
    step({ type: 'PushSettled', bindingId, outcome: settled });
    const { target } = device;
    await this.#o.intake.fromPushOutcome(aor, { bindingId, target, of: 'call' }, outcome);
  }

  /** Sends a device the word how the call ended. Never rejects. */
  async closingWord(device: PushedDevice, word: ClosingWord): Promise<void> {
    const { aor, callId } = this.#o.wake();
    const { targets } = device.binding;
    // By Apple's rule a VoIP push must become a call: a device with only that token learns it from SIP or not at all.
    const target = this.#o.delivery.targetFor('cancel', targets);
    if (!target) return;
    this.#o.trace({ step: 'told', device: device.bindingId, word });
    const expiresAt = plus(this.#o.clock.now(), WORD_LASTS);
    const outcome = await this.#o.delivery.send(
      { purpose: 'cancel', aor, callId, word, collapseId: callId, expiresAt },
      targets,
    );
    await this.#o.intake.fromPushOutcome(aor, { bindingId: device.bindingId, target, of: 'cancel' }, outcome);
  }
}
