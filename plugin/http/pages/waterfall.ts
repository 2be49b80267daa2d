/** The steps of one call as they followed each other: each with its time; those of a device with a bar from its step before. */
import type { CallTrace } from '../../core/trace.ts';
import { shownStep } from '../../core/wake/step-words.ts';
import { type Html, html } from './html.ts';
import { length } from './times.ts';

export interface Bar {
  readonly fromMs: number;
  readonly toMs: number;
  readonly step: string;
  readonly device?: string;
  readonly detail?: string;
}

export function barsOf({ steps }: Pick<CallTrace, 'steps'>): readonly Bar[] {
  const last = new Map<string, number>();
  const begun = steps[0]?.ms ?? 0;
  return steps.map((of) => {
    const { ms, step, device, detail } = shownStep(of);
    const lane = device ?? '';
    const fromMs = last.get(lane) ?? begun;
    last.set(lane, ms);
    return {
      fromMs,
      toMs: ms,
      step,
      ...(device === undefined ? {} : { device }),
      ...(detail === undefined ? {} : { detail }),
    };
  });
}

/** Least width of a bar, in percent: a step of a millisecond is seen as well. */
const LEAST = 0.6;

export function waterfall(trace: Pick<CallTrace, 'steps'>): Html {
  const bars = barsOf(trace);
  const whole = Math.max(1, ...bars.map((b) => b.toMs));
  const one = ({ fromMs, toMs, step, device, detail }: Bar) => {
    const width = Math.max(LEAST, ((toMs - fromMs) / whole) * 100);
    const x = Math.min((fromMs / whole) * 100, 100 - width);
    const at = Math.min((toMs / whole) * 100, 100 - LEAST);
    const bar =
      device === undefined
        ? html`<rect class="mark-only" x="${at.toFixed(2)}%" y="0" width="${LEAST}%" height="100%"/>`
        : html`<rect class="bar" x="${x.toFixed(2)}%" y="0" width="${width.toFixed(2)}%" height="100%"/>`;
    const who = device === undefined ? undefined : html` <span class="who">${device.slice(0, 8)}</span>`;
    return html`<li><span class="ms">${length(toMs)}</span>
<span>${step}${detail !== undefined && html` <span class="who">(${detail})</span>`}${who}</span>
<svg aria-hidden="true">${bar}</svg></li>
`;
  };
  return html`<ol class="steps">${bars.map(one)}</ol>`;
}
