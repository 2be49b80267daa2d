/**
 * A REGISTER that a call waits for is rung first and recorded a moment later: deciding, reading and writing would take the
 * processor from Asterisk just when it sends the INVITE. Facts of one account stay in order; those of accounts nobody
 * calls pass through at once.
 */
import type { Aor } from '../../core/aor.ts';
import type { DurationMs } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PbxEvent } from '../../ports/pbx-link.ts';

/** Longer than a PBX takes from the REGISTER to the INVITE, far shorter than anybody waits for a record. */
const MOMENT: DurationMs = 30;

export class AfterCalls {
  readonly #clock: Clock;
  readonly #waits: (aor: Aor) => boolean;
  readonly #record: (event: PbxEvent) => void;
  readonly #held = new Map<Aor, { readonly events: PbxEvent[]; readonly cancel: () => void }>();

  constructor(clock: Clock, waits: (aor: Aor) => boolean, record: (event: PbxEvent) => void) {
    this.#clock = clock;
    this.#waits = waits;
    this.#record = record;
  }

  take(event: PbxEvent): void {
    const aor = aorOf(event);
    const held = aor === undefined ? undefined : this.#held.get(aor);
    if (held) held.events.push(event);
    else if (aor !== undefined && this.#waits(aor)) {
      this.#held.set(aor, { events: [event], cancel: this.#clock.after(MOMENT, () => this.#let(aor)) });
    } else this.#record(event);
  }

  /** Nothing is held back any longer: for the end, and for tests. */
  flush(): void {
    for (const aor of [...this.#held.keys()]) this.#let(aor);
  }

  #let(aor: Aor): void {
    const held = this.#held.get(aor);
    this.#held.delete(aor);
    held?.cancel();
    for (const event of held?.events ?? []) this.#record(event);
  }
}

function aorOf(event: PbxEvent): Aor | undefined {
  if (event.type === 'contactSeen') return event.contact.aor;
  return event.type === 'contactRemoved' || event.type === 'unregistered' ? event.aor : undefined;
}
