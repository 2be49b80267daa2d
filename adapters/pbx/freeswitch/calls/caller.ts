/**
 * One caller and the accounts that the dialplan rings for that call. Each account that can be woken is a waiting call of its own; what they
 * dial is put together here, in the places where the dialplan named them, and handed to FreeSWITCH once.
 */
import type { Aor } from '../../../../plugin/core/aor.ts';
import type { LegOutcome } from '../../../../plugin/ports/pbx-link.ts';
import { composeText, type Part } from './dial.ts';
import { argument } from './dial-string.ts';
import type { WaitingCall } from './waiting-call.ts';

export interface CallerOptions {
  /** The dialplan's own dial string. */
  readonly dial: string;
  readonly saysEarlyMedia: boolean;
  readonly compose: (dial: string) => Promise<LegOutcome>;
}

export class CallerOf {
  readonly #o: CallerOptions;
  readonly #calls = new Map<Aor, WaitingCall>();
  /** Parts that have come; undefined: what the dialplan says. */
  readonly #parts = new Map<Aor, Part | undefined>();
  #composed: Promise<LegOutcome> | undefined;
  readonly #waiting: ((composed: Promise<LegOutcome>) => void)[] = [];

  constructor(options: CallerOptions) {
    this.#o = options;
  }

  add(aor: Aor, call: WaitingCall): void {
    this.#calls.set(aor, call);
  }

  /** True: nothing of this caller is waited for any more. */
  remove(aor: Aor): boolean {
    this.#calls.delete(aor);
    return this.#calls.size === 0;
  }

  waitsFor(aor: Aor): boolean {
    return this.#calls.has(aor);
  }

  get calls(): readonly WaitingCall[] {
    return [...this.#calls.values()];
  }

  othersAnswered(aor: Aor): boolean {
    return [...this.#calls].some(([of, call]) => of !== aor && call.isAnswered);
  }

  /** Resolves when the parts of all accounts have come and FreeSWITCH has got them. */
  part(aor: Aor, part: Part | undefined): Promise<LegOutcome> {
    if (this.#composed) return this.#composed;
    this.#parts.set(aor, part);
    const all = [...this.#calls.keys()].every((of) => this.#parts.has(of));
    if (!all) return new Promise((resolve) => this.#waiting.push(resolve));
    const composed = this.#o.compose(argument(this.#text()));
    this.#composed = composed;
    for (const resolve of this.#waiting) resolve(composed);
    return composed;
  }

  /** Empty: nothing differs from what the dialplan says. */
  #text(): string {
    const { dial, saysEarlyMedia } = this.#o;
    const parts = new Map([...this.#parts].flatMap(([of, part]) => (part ? [[of, part] as const] : [])));
    return parts.size === 0 ? '' : composeText({ dial, parts, quiet: !saysEarlyMedia });
  }
}
