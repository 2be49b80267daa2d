/** A terminal session as one SVG file: each line appears when it was printed. Needs no script, so that it plays inside an `<img>`. */

export interface Printed {
  /** Milliseconds since the start. */
  readonly atMs: number;
  readonly text: string;
}

/** Pauses are shortened to this: a reader wants to see the order, not to wait. */
const LONGEST_PAUSE_MS = 900;
/** The end stays for this long; then it begins anew. */
const END_MS = 12_000;
const [LINE_PX, CHARACTER_PX, MARGIN_PX] = [19, 7.83, 18] as const;

/** Colours by how a line begins; the rest is plain. */
const kindOf = (text: string): string =>
  /^\s*✓/.test(text) ? 'seen' : /^[$#]/.test(text) ? 'typed' : /^\S/.test(text) ? 'title' : 'plain';

export function svgOf(lines: readonly Printed[], title: string): string {
  const times: number[] = [];
  let at = 0;
  let before = 0;
  for (const { atMs } of lines) {
    at += Math.min(Math.max(atMs - before, 30), LONGEST_PAUSE_MS);
    before = atMs;
    times.push(at);
  }
  const total = at + END_MS;
  const columns = Math.max(40, ...lines.map(({ text }) => text.length));
  const [width, height] = [Math.ceil(columns * CHARACTER_PX) + 2 * MARGIN_PX, lines.length * LINE_PX + 2 * MARGIN_PX];
  const rows = lines.map(({ text }, i) => {
    const y = MARGIN_PX + (i + 0.75) * LINE_PX;
    const start = (((times[i] ?? 0) / total) * 100).toFixed(2);
    return {
      style: `@keyframes l${i}{0%,${start}%{opacity:0}${(Number(start) + 0.01).toFixed(2)}%,100%{opacity:1}}.l${i}{animation:l${i} ${(total / 1_000).toFixed(1)}s linear infinite}`,
      text: `<text class="${kindOf(text)} l${i}" x="${MARGIN_PX}" y="${y}" xml:space="preserve">${escaped(text)}</text>`,
    };
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
<title>${escaped(title)}</title>
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d0d7de}
.seen{fill:#7ee787}.title{fill:#fff;font-weight:bold}.typed{fill:#79c0ff}
@media (prefers-reduced-motion: no-preference){${rows.map(({ style }) => style).join('')}}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${rows.map(({ text }) => text).join('\n')}
</svg>
`;
}

/** A character that XML does not allow is shown as a question mark. */
function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '?').replace(/[&<>"]/g, (c) => entities[c] ?? c);
}
