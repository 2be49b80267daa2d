/** Times and lengths for people: in the server's zone, each with its ISO form for machines. */
import { between, DAY, type DurationMs, HOUR, type Instant, MINUTE, SECOND } from '../../core/time.ts';
import { type Html, html } from './html.ts';

export class Times {
  readonly zone: string;
  readonly now: Instant;
  readonly #day: Intl.DateTimeFormat;
  readonly #clock: Intl.DateTimeFormat;
  readonly #key: Intl.DateTimeFormat;
  readonly #hour: Intl.DateTimeFormat;
  readonly #offset: Intl.DateTimeFormat;

  /** `zone`: an IANA name such as `Europe/Berlin`. */
  constructor(zone: string, now: Instant) {
    this.zone = zone;
    this.now = now;
    const form = (o: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat('en-GB', { timeZone: zone, ...o });
    this.#day = form({ weekday: 'short', day: 'numeric', month: 'short' });
    this.#clock = form({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
    this.#key = form({ year: 'numeric', month: '2-digit', day: '2-digit' });
    this.#hour = form({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    this.#offset = form({ timeZoneName: 'longOffset' });
  }

  /** `Europe/Berlin (GMT+01:00)` */
  get zoneInWords(): string {
    const offset = this.#offset.formatToParts(this.now).find((p) => p.type === 'timeZoneName')?.value;
    return offset && offset !== this.zone ? `${this.zone} (${offset})` : this.zone;
  }

  /** `Tue 24 Nov, 23:53` */
  at(at: Instant): Html {
    return this.#time(at, `${this.day(at)}, ${this.#hour.format(at)}`);
  }

  /** With seconds, and the day only where it is not today. */
  exactly(at: Instant): Html {
    const clock = this.#clock.format(at);
    return this.#time(at, this.dayKey(at) === this.dayKey(this.now) ? clock : `${this.day(at)}, ${clock}`);
  }

  /** `3 h ago`, `in 2 days` */
  distance(at: Instant): Html {
    const ms = between(at, this.now);
    return this.#time(at, ms >= 0 ? `${length(ms)} ago` : `in ${length(-ms)}`);
  }

  /** `Tue, 24 Nov` without the comma */
  day(at: Instant): string {
    return this.#day.format(at).replace(',', '');
  }

  /** The same for all instants of one day in this zone. */
  dayKey(at: Instant): string {
    return this.#key.format(at);
  }

  #time(at: Instant, text: string): Html {
    return html`<time datetime="${new Date(at).toISOString()}">${text}</time>`;
  }
}

/** `12 ms`, `1.8 s`, `4 min`, `3 h`, `2 days` */
export function length(ms: DurationMs): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h`;
  return `${Math.floor(ms / DAY)} days`;
}

/** `1 device`, `3 devices`, `12,000 devices` */
export function several(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

export function number(count: number): string {
  return count.toLocaleString('en-US');
}
