/**
 * With HEP, a log-out arrives twice: as `Removed` from ARI, which looks like an expiry or a closed socket, and as the REGISTER
 * itself. The REGISTER, which gives the reason, must be processed first, because afterwards the contact is unknown. So `Removed` is
 * held back for longer than the other way takes; nobody waits for it.
 */
import type { Aor } from '../../../plugin/core/aor.ts';
import type { DurationMs, Instant } from '../../../plugin/core/time.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';

/** HEP arrives a tenth of a millisecond after the 200 and is told a millisecond later, confirming it costs two reads of 1 ms each. */
const HOLD: DurationMs = 250;

export interface Removal {
  readonly aor: Aor;
  /** As the PBX stored it. */
  readonly uri: string;
  readonly at: Instant;
}

export class Removals {
  readonly #clock: Clock;
  readonly #tell: (removal: Removal) => void;
  readonly #held = new Map<Removal, () => void>();

  constructor(clock: Clock, tell: (removal: Removal) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  hold(removal: Removal): void {
    const cancel = this.#clock.after(HOLD, () => {
      this.#held.delete(removal);
      this.#tell(removal);
    });
    this.#held.set(removal, cancel);
  }

  /** Contacts of the AOR that were removed this very moment. */
  of(aor: Aor): readonly string[] {
    return [...this.#held.keys()].filter((r) => r.aor === aor).map((r) => r.uri);
  }

  /** Cancels the removal of a contact that is registered again. */
  forget(aor: Aor, uri: string): void {
    for (const [removal, cancel] of this.#held) {
      if (removal.aor !== aor || removal.uri !== uri) continue;
      cancel();
      this.#held.delete(removal);
    }
  }

  stop(): void {
    for (const cancel of this.#held.values()) cancel();
    this.#held.clear();
  }
}
