/**
 * The rule of what is cut when a payload is too large, the same for every service: texts that a person reads, as little as
 * needed, between characters, marked by `…`. Pure.
 */

type Render<P> = (first: string | undefined, second: string | undefined) => P;

/** Cuts the first text, then the second; either may vanish. Undefined when that is not enough. */
export function cutToFit<P>(render: Render<P>, fits: (payload: P) => boolean, a?: string, b?: string): P | undefined {
  const first = a?.toWellFormed();
  const second = b?.toWellFormed();
  // Nearly all fit as they are.
  const uncut = render(first, second);
  if (fits(uncut)) return uncut;
  const passing = (payload: P) => (fits(payload) ? payload : undefined);
  return (
    longest(first, (text) => passing(render(text, second))) ??
    longest(second, (text) => passing(render(undefined, text)))
  );
}

/** With the longest beginning of `text` that fits, cut between code points (never inside a surrogate pair), marked by `…`. */
function longest<P>(text: string | undefined, made: (text: string | undefined) => P | undefined): P | undefined {
  const whole = made(text);
  if (whole !== undefined || text === undefined) return whole;
  let best = made(undefined);
  if (best === undefined) return undefined;
  const points = Array.from(text);
  const cut = (length: number) => (length === 0 ? undefined : `${points.slice(0, length).join('')}…`);
  let good = 0;
  let bad = points.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    const cutThere = made(cut(middle));
    if (cutThere === undefined) bad = middle;
    else [good, best] = [middle, cutThere];
  }
  return best;
}
