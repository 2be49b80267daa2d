/**
 * Events for others, in a queue of their own: bounded, tried again with growing pauses, in memory. A receiver that is slow,
 * down or hostile costs events and nothing else; calls never wait for it.
 */
import { type DurationMs, HOUR, type Instant, MINUTE, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventName, EventSink, OutEvent } from '../../ports/event-sink.ts';

export interface EventsOptions {
  readonly sinks: readonly EventSink[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
}

/** Waiting for one receiver; then the oldest are dropped. About 500 bytes each. */
const MOST_WAITING = 10_000;
const AT_ONCE = 4;
const FIRST_PAUSE: DurationMs = 1 * SECOND;
const LONGEST_PAUSE: DurationMs = 5 * MINUTE;
const GIVEN_UP_AFTER: DurationMs = 24 * HOUR;

interface Lane {
  readonly sink: EventSink;
  readonly waiting: { readonly event: OutEvent; readonly sinceMs: number }[];
  readonly stop: AbortController;
  underWay: number;
  /** Tries in a row that failed: one receiver, one pause. */
  failures: number;
  cancelPause: (() => void) | undefined;
  lost: number;
}

export class Events {
  readonly #o: EventsOptions;
  #lanes: Lane[];

  constructor(options: EventsOptions) {
    this.#o = options;
    this.#lanes = options.sinks.map(laneOf);
  }

  /** Queues an event for every receiver that asked for its type. Costs a call nothing: no I/O, no wait. */
  tell(type: EventName, at: Instant, aor: string, data: Readonly<Record<string, unknown>>): void {
    const lanes = this.#lanes.filter(({ sink, stop }) => !stop.signal.aborted && sink.wants(type));
    if (lanes.length === 0) return;
    const event: OutEvent = { id: `evt_${this.#o.newId()}`, type, at: new Date(at).toISOString(), aor, data };
    const sinceMs = this.#o.clock.monotonicMs();
    for (const lane of lanes) {
      lane.waiting.push({ event, sinceMs });
      if (lane.waiting.length > MOST_WAITING) {
        lane.waiting.shift();
        this.#lose(lane, 'too many wait');
      }
      this.#go(lane);
    }
  }

  /** Waiting, under way and lost, for each receiver. */
  stats(): readonly { name: string; waiting: number; lost: number }[] {
    return this.#lanes.map(({ sink, waiting, underWay, lost }) => ({
      name: sink.name,
      waiting: waiting.length + underWay,
      lost,
    }));
  }

  /** Other receivers from now on. What waits for one of the same name goes to the new one; for one that is gone it is lost. */
  async replace(sinks: readonly EventSink[]): Promise<void> {
    const before = this.#lanes;
    this.#lanes = sinks.map((sink) => before.find((lane) => lane.sink === sink) ?? laneOf(sink));
    const gone = before.filter((lane) => !this.#lanes.includes(lane));
    for (const lane of gone) {
      const heir = this.#lanes.find((l) => l.sink.name === lane.sink.name);
      heir?.waiting.push(...lane.waiting.splice(0));
      if (heir) this.#go(heir);
    }
    await this.#close(gone);
  }

  async stop(): Promise<void> {
    await this.#close(this.#lanes);
  }

  async #close(lanes: readonly Lane[]): Promise<void> {
    for (const lane of lanes) {
      lane.cancelPause?.();
      lane.stop.abort();
      const left = lane.waiting.length + lane.underWay;
      if (left > 0) this.#o.log.warn({ receiver: lane.sink.name, lost: left }, 'events not delivered before the stop');
      await lane.sink.close();
    }
  }

  #go(lane: Lane): void {
    while (lane.underWay < AT_ONCE && lane.cancelPause === undefined && !lane.stop.signal.aborted) {
      // While a receiver fails, one event finds out whether it is back.
      if (lane.failures > 0 && lane.underWay > 0) return;
      const next = lane.waiting.shift();
      if (!next) return;
      lane.underWay++;
      void this.#one(lane, next);
    }
  }

  async #one(lane: Lane, entry: Lane['waiting'][number]): Promise<void> {
    const { sink, stop } = lane;
    let outcome: 'taken' | 'later' | 'refused';
    try {
      outcome = await sink.send(entry.event, stop.signal);
    } catch {
      outcome = 'later';
    }
    lane.underWay--;
    if (stop.signal.aborted) return;
    if (outcome === 'later') this.#putBack(lane, entry);
    else {
      if (outcome === 'refused') this.#lose(lane, 'refused');
      if (lane.failures > 0) this.#o.log.info({ receiver: sink.name }, 'event receiver answers again');
      lane.failures = 0;
    }
    this.#go(lane);
  }

  #putBack(lane: Lane, entry: Lane['waiting'][number]): void {
    const { clock, log } = this.#o;
    if (clock.monotonicMs() - entry.sinceMs > GIVEN_UP_AFTER) this.#lose(lane, 'nobody took it for a day');
    else if (lane.waiting.length >= MOST_WAITING) this.#lose(lane, 'too many wait');
    else lane.waiting.unshift(entry);
    if (lane.cancelPause) return;
    const pauseMs = Math.min(FIRST_PAUSE * 2 ** Math.min(lane.failures, 20), LONGEST_PAUSE);
    if (lane.failures++ === 0) log.warn({ receiver: lane.sink.name }, 'event receiver does not take events, they wait');
    lane.cancelPause = clock.after(pauseMs, () => {
      lane.cancelPause = undefined;
      this.#go(lane);
    });
  }

  #lose(lane: Lane, reason: string): void {
    lane.lost++;
    // The first of a kind of trouble, then only now and then: a flood must not fill the log.
    if (lane.lost === 1 || lane.lost % 1_000 === 0) {
      this.#o.log.error({ receiver: lane.sink.name, reason, lost: lane.lost }, 'event lost');
    }
  }
}

const laneOf = (sink: EventSink): Lane => ({
  sink,
  waiting: [],
  stop: new AbortController(),
  underWay: 0,
  failures: 0,
  cancelPause: undefined,
  lost: 0,
});
