/** What is learnt from a call that is over: which pushes woke their phone, and who slept through it. */
import { between, type DurationMs, type Instant, plus, SECOND } from '../../core/time.ts';
import { type CallTrace, wasBlind } from '../../core/trace.ts';
import { cameAfterMs, mayHaveSlept, signOfCall, sleptThrough } from '../../core/wake/sign.ts';
import { hasCome, type Wake } from '../../core/wake.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Caller } from '../../ports/pbx-link.ts';
import type { Intake } from '../intake.ts';

/** A phone that had less time than this (ms) to register has not failed to. */
const FAIR_CHANCE: DurationMs = 10 * SECOND;

export interface AfterCallOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly intake: Pick<Intake, 'fromWake' | 'fromMissed'>;
  /** Another round of this call waits. */
  readonly isWaiting: (callId: string) => boolean;
}

/** `now`: by the call's own clock. */
export function settleDevices(wake: Wake, trace: CallTrace, now: Instant, { clock, intake }: AfterCallOptions): void {
  const lastedMs = between(wake.startedAt, now);
  const startedAt = plus(clock.now(), -lastedMs);
  // A phone that came while the link was away was not seen.
  const blind = wasBlind(trace);
  for (const d of wake.devices) {
    const came = hasCome(d);
    // Whether it was this device that came, or that it came before the end, is not known.
    if (d.legs.fresh.isUnproved || mayHaveSlept(trace, d)) continue;
    if (d.push !== 'accepted' || (!came && (lastedMs < FAIR_CHANCE || blind))) continue;
    const { bindingId, target } = d;
    const sign = came ? signOfCall(trace, bindingId) : 'nothing';
    const afterMs = came ? cameAfterMs(trace, d, wake.startedAt) : undefined;
    void intake.fromWake(wake.aor, { bindingId, target, sign, startedAt }, afterMs);
  }
}

/** After the closing words, which Apple would else keep in the place of this one. The rounds of a queue are one call. */
export async function reportMissed(
  wake: Wake,
  trace: CallTrace,
  words: readonly Promise<void>[],
  caller: Caller | undefined,
  { intake, isWaiting }: AfterCallOptions,
): Promise<void> {
  const missed = sleptThrough(wake, trace);
  if (missed.length === 0) return;
  await Promise.all(words);
  if (!isWaiting(wake.callId)) await intake.fromMissed(wake.aor, missed, wake.callId, caller);
}
