/** Calls that are over, shown to phones that came too late: rung, and ended as soon as the phone has got the INVITE. */
import { randomUUID } from 'node:crypto';
import type { ClosingWord } from '../../../../plugin/core/wake.ts';
import type { HeldContact } from '../../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE } from '../deadlines.ts';
import type { Ask } from '../link.ts';
import type { Channels } from './channels.ts';
import { type Caller, lateText } from './dial.ts';

/** A phone that hears nothing of the call within this hears no more of it. */
const LATE_RINGS_SECONDS = 3;
const CALLERS_MAX = 1_000;

export class LateCalls {
  readonly #ask: Ask;
  readonly #channels: Channels;
  /** The channel, and why it will end. */
  readonly #late = new Map<string, string>();
  /** Who called, by call id, for as long as a phone may come too late. */
  readonly #callers = new Map<string, Caller>();

  constructor(ask: Ask, channels: Channels) {
    this.#ask = ask;
    this.#channels = channels;
  }

  called(callId: string, caller: Caller): void {
    this.#callers.set(callId, caller);
    if (this.#callers.size > CALLERS_MAX) this.#callers.delete(this.#callers.keys().next().value ?? '');
  }

  async show(contact: HeldContact, dial: string, callId: string, word: ClosingWord): Promise<void> {
    const uuid = randomUUID();
    const caller = this.#callers.get(callId) ?? { number: '', name: '', hidden: true };
    const command = lateText({ aor: contact.aor, callId, uuid, dial, caller, timeoutSeconds: LATE_RINGS_SECONDS });
    this.#late.set(
      uuid,
      word === 'elsewhere' ? 'LOSE_RACE' : word === 'cancelled' ? 'ORIGINATOR_CANCEL' : 'NORMAL_CLEARING',
    );
    await this.#ask('originate', { uuid, command }, CALL_DEADLINE);
  }

  heard(uuid: string): void {
    const cause = this.#late.get(uuid);
    if (cause !== undefined) void this.#channels.kill(uuid, cause);
  }

  ended(uuid: string): void {
    this.#channels.ended(uuid);
    this.#late.delete(uuid);
  }

  jobFailed(job: string): void {
    this.#late.delete(job);
  }
}
