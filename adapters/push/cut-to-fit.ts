/**
 * The rule of what is cut when a payload is too large, the same for every service: texts that a person reads, as little as
 * needed, between characters, marked by `…`. Pure.
 */

type Render<P> = (first: string | undefined, second: string | undefined) => P;

/** Cuts the first text, then the second; either may vanish. Undefined when that is not enough. */
export function cutToFit<P>(render: Render<P>, fits: (payload: P) => boolean, a?: string, b?: string): P | undefined {
  const first = a?.toWellFormed();
  const second = b?.toWellFormed();
  const inFirst = longest(first, (text) => fits(render(text, second)));
  if (inFirst) return render(inFirst.text, second);
  const inSecond = longest(second, (text) => fits(render(undefined, text)));
  return inSecond && render(undefined, inSecond.text);
}

/** The longest beginning of `text` that fits, cut between code points (never inside a surrogate pair), marked by `…`. */
function longest(
  text: string | undefined,
  passes: (text: string | undefined) => boolean,
): { text: string | undefined } | undefined {
  if (passes(text)) return { text };
  if (!passes(undefined)) return undefined;
  const points = Array.from(text ?? '');
  const cut = (length: number) => (length === 0 ? undefined : `${points.slice(0, length).join('')}…`);
  let good = 0;
  let bad = points.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (passes(cut(middle))) good = middle;
    else bad = middle;
  }
  return { text: cut(good) };
}
