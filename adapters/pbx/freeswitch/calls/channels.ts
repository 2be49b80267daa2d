/** Ends channels by name, also those that FreeSWITCH has not made yet: it makes them in the background. */
import type { LegOutcome } from '../../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE } from '../deadlines.ts';
import type { Ask } from '../link.ts';

const DOOMED_MAX = 10_000;

export class Channels {
  readonly #ask: Ask;
  /** Channels that were ended before they existed, with the cause. */
  readonly #doomed = new Map<string, string>();

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  kill(uuid: string, cause: string): Promise<LegOutcome> {
    this.#doomed.set(uuid, cause);
    // Ends are told; one that was not (the link was away) must not stay for ever.
    if (this.#doomed.size > DOOMED_MAX) this.#doomed.delete(this.#doomed.keys().next().value ?? '');
    return this.#ask<LegOutcome>('kill', { uuid, cause }, CALL_DEADLINE).catch((): LegOutcome => 'gone');
  }

  /** A channel of ours lives: if it was ended before it was there, it is ended now. */
  lives(uuid: string): void {
    const cause = this.#doomed.get(uuid);
    if (cause !== undefined) void this.kill(uuid, cause);
  }

  ended(uuid: string): void {
    this.#doomed.delete(uuid);
  }
}
