/**
 * One node of pushwake: the real runtime and core, composed over the world's ports. It may die at any moment, with all that it had in
 * memory; a new life of it starts over the same store.
 */

import type { Policy } from '../../plugin/core/policy.ts';
import { DAY } from '../../plugin/core/time.ts';
import type { Logger } from '../../plugin/ports/adapter.ts';
import type { OutEvent } from '../../plugin/ports/event-sink.ts';
import { onBoundary } from '../../plugin/runtime/bindings/crash-points.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime, type RuntimeSettings } from '../../plugin/runtime/runtime.ts';
import type { Chance } from './chance.ts';
import { WorldLink } from './link.ts';
import type { Pbx } from './pbx.ts';
import { NodeProvider, type PushService } from './push-service.ts';
import { StoreHandle, type WorldStore } from './store.ts';
import { NodeClock, type WorldTime } from './time.ts';

export interface LogLine {
  readonly node: number;
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

export interface NodeOptions {
  readonly index: number;
  readonly time: WorldTime;
  readonly chance: Chance;
  readonly store: WorldStore;
  readonly pbxs: readonly Pbx[];
  readonly services: readonly PushService[];
  readonly policy: () => Policy;
  readonly settings: () => RuntimeSettings;
  readonly counts: boolean;
  readonly onLog: (line: LogLine) => void;
  readonly onEvent: (event: OutEvent) => void;
  readonly onLink: (link: WorldLink) => void;
  readonly failed: (what: string) => void;
}

export class Node {
  readonly o: NodeOptions;
  clock: NodeClock;
  runtime: Runtime | undefined;
  links: WorldLink[] = [];
  /** How many lives it has had. */
  lives = 0;
  /** It dies at the n-th boundary from now on. */
  #crashAt = 0;
  #aheadMs = 0;

  constructor(options: NodeOptions) {
    this.o = options;
    this.clock = new NodeClock(options.time);
    this.clock.kill();
  }

  get isUp(): boolean {
    return this.runtime !== undefined;
  }

  /** A new process. */
  start(): void {
    if (this.runtime) return;
    const { time, store, services, index, chance, failed, onLog, onEvent } = this.o;
    this.lives++;
    this.clock = new NodeClock(time, this.#aheadMs);
    const { clock } = this;
    const draw = chance.fork(`life ${this.lives}`);
    const line = (level: keyof Logger) => (fields: Record<string, unknown>, message: string) => {
      if (!clock.isDead) onLog({ node: index, level, message, fields });
    };
    const log: Logger = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
    this.links = this.o.pbxs.map((pbx) => this.#link(pbx, clock));
    const { mode, showCaller, messages, forgetAfterMs } = this.o.settings();
    const delivery = createDelivery({
      providers: services.map((service) => new NodeProvider(service, clock, index)),
      clock,
      log,
      random: () => draw.next(),
    });
    const runtime = new Runtime({
      mode,
      clock,
      log,
      store: new StoreHandle(store, clock),
      links: this.links,
      sinks: [
        {
          name: 'crm',
          wants: () => true,
          send: async (event) => {
            onEvent(event);
            return 'taken';
          },
          close: async () => undefined,
        },
      ],
      delivery,
      policyFor: () => () => this.o.policy(),
      noticeText: (_aor, notice) => ({ title: 'Phone', body: `${notice} {count}` }),
      realmOf: (link) => this.o.pbxs.find((pbx) => pbx.name === link)?.o.realm ?? '',
      randomHex: (bytes) => draw.hex(bytes),
      forgetAfterMs: forgetAfterMs ?? DAY,
      callKey: (callId) => `key of ${callId}`,
      showCaller,
      messages,
      counts: this.o.counts,
    });
    this.runtime = runtime;
    runtime.start().catch((error: unknown) => failed(`node ${index} does not start: ${String(error)}`));
  }

  /** SIGKILL, a power cut. */
  kill(): void {
    if (!this.runtime) return;
    this.#aheadMs = this.clock.aheadMs;
    this.#crashAt = 0;
    this.clock.kill();
    for (const link of this.links) link.died();
    this.runtime = undefined;
  }

  /** An administrator's reload that makes the links anew. */
  async reload(): Promise<void> {
    const { runtime, clock } = this;
    if (!runtime) return;
    const gone = this.links.map((link) => link.name);
    const fresh = this.o.pbxs.map((pbx) => this.#link(pbx, clock));
    this.links = fresh;
    await runtime.change({ settings: this.o.settings(), linksGone: gone, linksNew: fresh });
  }

  async settingsChanged(): Promise<void> {
    await this.runtime?.change({ settings: this.o.settings(), linksGone: [], linksNew: [] });
  }

  jump(ms: number): void {
    this.clock.jump(ms);
    this.#aheadMs = this.clock.aheadMs;
  }

  /** Its machine stands still. `wall`: the wall clock goes on meanwhile, as always. */
  freeze(ms: number): void {
    if (!this.runtime) return;
    this.clock.freeze(ms);
  }

  crashAtBoundary(nth: number): void {
    this.#crashAt = nth;
  }

  /** One of the boundaries was reached, by whichever node. True: it died there. */
  boundary(): boolean {
    if (this.#crashAt === 0 || !this.runtime || --this.#crashAt > 0) return false;
    this.kill();
    return true;
  }

  #link(pbx: Pbx, clock: NodeClock): WorldLink {
    const link = new WorldLink(pbx, clock, this.o.index);
    this.o.onLink(link);
    return link;
  }
}

/** The product has one listener for boundaries; so has the world. */
export function onBoundaries(reached: () => void): void {
  onBoundary(reached);
}
