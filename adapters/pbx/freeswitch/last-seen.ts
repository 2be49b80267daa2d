/** The last contact seen under a Call-ID, for the one REGISTER that names nothing else (`Contact: *`). A bounded memory. */
import type { Aor } from '../../../plugin/core/aor.ts';

const MOST = 10_000;

export interface Seen {
  readonly aor: Aor;
  readonly uri: string;
}

export class LastSeen {
  readonly #seen = new Map<string, Seen>();

  set(callId: string, seen: Seen): void {
    if (callId === '') return;
    this.#seen.delete(callId);
    this.#seen.set(callId, seen);
    // The oldest goes.
    if (this.#seen.size > MOST) this.#seen.delete(this.#seen.keys().next().value ?? '');
  }

  get(callId: string): Seen | undefined {
    return this.#seen.get(callId);
  }
}
