/** What became of the last texts: in memory, for `explain` and the status pages. */
import type { Aor } from '../../core/aor.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import type { TextStep, TextTrace } from '../../core/text-trace.ts';
import type { Instant } from '../../core/time.ts';

/** About 500 bytes each. */
const TRACES = 1_000;
/** A phone that is sent a text in vain again and again. */
const STEPS = 20;
const OF_ACCOUNT = 10;

export interface TracedText {
  readonly id: string;
  readonly aor: Aor;
  readonly pbx: string;
  readonly receivedAt: Instant;
}

export class TextTraces {
  readonly #traces = new BoundedMap<string, TextTrace>(upTo(TRACES));

  note({ id, aor, pbx, receivedAt: at }: TracedText, step: TextStep, now: Instant): void {
    const key = `${aor} ${id}`;
    const before = this.#traces.get(key) ?? { aor, pbx, at, steps: [] };
    this.#traces.set(key, { ...before, steps: [...before.steps, { ...step, at: now }].slice(-STEPS) });
  }

  /** The latest first. */
  of(aor: Aor): readonly TextTrace[] {
    const mine = [...this.#traces].flatMap(([, trace]) => (trace.aor === aor ? [trace] : []));
    return mine.sort((a, b) => b.at - a.at).slice(0, OF_ACCOUNT);
  }
}
