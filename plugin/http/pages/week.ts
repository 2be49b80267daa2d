/** Bindings by day of end over the coming week: a chart, and a table that says the same. */
import { DAY, HOUR, type Instant, instant, plus } from '../../core/time.ts';
import { type Html, html } from './html.ts';
import { table } from './layout.ts';
import { number, several, type Times } from './times.ts';

export interface Day {
  readonly name: string;
  readonly count: number;
}

const DAYS = 7;
const HEIGHT = 150;
const TOP = 24;
const FOOT = 26;

/** Days in the zone of the server: today, what is left of it, and the six after it. */
export function daysOf(endsByHour: ReadonlyMap<number, number>, times: Times): readonly Day[] {
  const counts = new Map<string, number>();
  for (const [hour, count] of endsByHour) {
    // A binding whose end has passed is counted under today.
    const at = instant(Math.max(hour, times.now));
    counts.set(times.dayKey(at), (counts.get(times.dayKey(at)) ?? 0) + count);
  }
  return comingDays(times).map((day, i) => ({
    name: i === 0 ? 'today' : times.day(day),
    count: counts.get(times.dayKey(day)) ?? 0,
  }));
}

/** One instant of each day. Hour by hour: a day of a changing clock has 23 or 25. */
function comingDays(times: Times): Instant[] {
  const found: Instant[] = [];
  let last = '';
  for (let at = times.now; found.length < DAYS && at < times.now + (DAYS + 2) * DAY; at = plus(at, HOUR)) {
    if (times.dayKey(at) === last) continue;
    last = times.dayKey(at);
    found.push(at);
  }
  return found;
}

export function weekChart(days: readonly Day[]): Html {
  const most = Math.max(1, ...days.map((d) => d.count));
  const step = 100 / days.length;
  const bars = days.map(({ name, count }, i) => {
    const height = count === 0 ? 0 : Math.max(2, Math.round((count / most) * (HEIGHT - TOP)));
    const middle = (i + 0.5) * step;
    return html`<rect class="bar" x="${(i + 0.16) * step}%" y="${HEIGHT - height}" width="${step * 0.68}%" height="${height}" rx="2"/>
<text class="value" x="${middle}%" y="${HEIGHT - height - 7}" text-anchor="middle">${number(count)}</text>
<text x="${middle}%" y="${HEIGHT + 19}" text-anchor="middle">${short(name)}</text>
`;
  });
  const total = days.reduce((sum, d) => sum + d.count, 0);
  return html`<svg class="week" role="img" aria-labelledby="week-title" width="100%" height="${HEIGHT + FOOT}">
<title id="week-title">${several(total, 'binding')} end within a week unless renewed; the table below says on which day</title>
<line class="base" x1="0" x2="100%" y1="${HEIGHT + 0.5}" y2="${HEIGHT + 0.5}"/>
${bars}</svg>`;
}

/** `Tue 24 Nov` → `Tue`: seven of them share a phone's width. */
const short = (name: string) => (name === 'today' ? name : name.slice(0, 3));

export function weekTable(days: readonly Day[], later: number, caption: Html): Html {
  return table(
    caption,
    [{ label: 'Day' }, { label: 'Bindings', figures: true }],
    [...days.map((d) => [d.name, number(d.count)]), ['later', number(later)]],
  );
}
