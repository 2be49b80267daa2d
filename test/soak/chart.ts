/** A soak as people read it: a table in text, and one small chart for each figure as SVG. */
export interface Sample {
  /** Since the beginning, in ms. */
  readonly atMs: number;
  readonly calls: number;
  /** Calls whose phone did not ring, though it was pushed. */
  readonly failed: number;
  /** Of pushwake, in MiB. */
  readonly rssMiB: number;
  readonly heapMiB: number;
  /** Open files and sockets of pushwake. */
  readonly handles: number;
  /** The worst hundredth of the event loop's delays since the last sample, in ms. */
  readonly loopMs: number;
  /** Open at Asterisk when nobody calls: what is left behind. */
  readonly channels: number;
  /** What was restarted or reloaded since the last sample. */
  readonly events: string;
}

type Figure = 'rssMiB' | 'heapMiB' | 'handles' | 'loopMs' | 'channels';

const TITLES: Readonly<Record<Figure, string>> = {
  rssMiB: 'RSS, MiB',
  heapMiB: 'heap in use, MiB',
  handles: 'open files and sockets',
  loopMs: 'event-loop delay p99, ms',
  channels: 'channels left at Asterisk',
};

export const HEAD = 'at      calls  failed  RSS MiB  heap MiB  handles  loop ms  channels  events';

export function row(s: Sample): string {
  const minutes = Math.round(s.atMs / 60_000);
  const at = `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
  const columns: readonly [string | number, number][] = [
    [at, 5],
    [s.calls, 8],
    [s.failed, 8],
    [s.rssMiB.toFixed(1), 9],
    [s.heapMiB.toFixed(1), 10],
    [s.handles, 9],
    [s.loopMs.toFixed(1), 9],
    [s.channels, 10],
  ];
  return `${columns.map(([text, width]) => String(text).padStart(width)).join('')}  ${s.events}`.trimEnd();
}

const WIDTH = 640;
const HEIGHT = 90;
const LEFT = 60;

/** Five lines over one time axis; each from zero, so that a slope is not made by the scale. */
export function chart(samples: readonly Sample[]): string {
  const last = samples.at(-1)?.atMs || 1;
  const figures = Object.keys(TITLES) as Figure[];
  const parts = figures.map((figure, i) => {
    const top = 20 + i * (HEIGHT + 30);
    const most = Math.max(1, ...samples.map((s) => s[figure]));
    const points = samples.map((s) => {
      const x = LEFT + (s.atMs / last) * (WIDTH - LEFT - 10);
      return `${x.toFixed(1)},${(top + HEIGHT - (s[figure] / most) * HEIGHT).toFixed(1)}`;
    });
    return [
      `<text x="${LEFT}" y="${top - 5}">${TITLES[figure]}</text>`,
      `<text x="${LEFT - 6}" y="${top + 8}" text-anchor="end">${Math.round(most)}</text>`,
      `<text x="${LEFT - 6}" y="${top + HEIGHT}" text-anchor="end">0</text>`,
      `<path d="M${LEFT} ${top}V${top + HEIGHT}H${WIDTH - 10}" fill="none" stroke="#999"/>`,
      `<polyline points="${points.join(' ')}" fill="none" stroke="#06c" stroke-width="1.5"/>`,
    ].join('\n');
  });
  const height = 20 + figures.length * (HEIGHT + 30);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<title>pushwake over hours: memory, open files, delay of the event loop, channels of Asterisk</title>
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${parts.join('\n')}
<text x="${WIDTH - 10}" y="${height - 4}" text-anchor="end">${(last / 3_600_000).toFixed(2)} hours</text>
</svg>
`;
}
