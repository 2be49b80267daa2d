/**
 * What people and monitoring are shown of a running pushwake: reads, never changes. Everything here is in memory or one record
 * away; what a PBX must be asked for has a deadline.
 */
import type { Aor } from '../../core/aor.ts';
import type { AorRecord } from '../../core/binding.ts';
import type { PolicyFor } from '../../core/lifecycle.ts';
import type { Mode } from '../../core/policy.ts';
import type { TextTrace } from '../../core/text-trace.ts';
import { type DurationMs, type Instant, SECOND } from '../../core/time.ts';
import type { CallTrace } from '../../core/trace.ts';
import { type Clock, within } from '../../ports/clock.ts';
import type {
  BrakeState,
  Count,
  HeapState,
  Held,
  LinkState,
  NodeState,
  NotBoundContact,
  PushState,
  ReceiverState,
  RunningStatus,
  StoreState,
  Summary,
  TextState,
} from '../../ports/status.ts';
import type { Brake } from '../bindings/brake.ts';
import type { NotBound } from '../bindings/not-bound.ts';
import type { Bindings } from '../bindings/records.ts';
import type { TraceBook } from '../calls/trace-book.ts';
import type { Wakes } from '../calls/waiting-calls.ts';
import type { Links } from '../pbx/links.ts';
import type { Delivery } from '../push/delivery.ts';
import type { Events } from '../webhooks/queue.ts';
import type { Census } from './census.ts';
import type { TimedStore } from './timed-store.ts';

/** A PBX that is slower is left out. */
const ASK_WITHIN: DurationMs = 1 * SECOND;

export interface StatusParts {
  readonly mode: Mode;
  readonly clock: Clock;
  readonly wire: Clock;
  readonly started: () => boolean;
  readonly store: TimedStore;
  readonly bindings: Bindings;
  readonly brake: Brake;
  readonly census: Census;
  readonly delivery: Delivery;
  readonly heapWatch: { readonly state: HeapState | undefined };
  readonly events: Events;
  readonly links: Links;
  readonly nodes: () => readonly NodeState[];
  readonly notBound: NotBound;
  readonly texts: { state(): TextState; readonly traces: { of(aor: Aor): readonly TextTrace[] } };
  readonly traces: TraceBook;
  readonly wakes: Wakes;
  readonly policyFor: (aor: Aor) => PolicyFor;
}

export class LiveStatus implements RunningStatus {
  readonly #p: StatusParts;

  constructor(parts: StatusParts) {
    this.#p = parts;
  }

  get mode(): Mode {
    return this.#p.mode;
  }

  now(): Instant {
    return this.#p.clock.now();
  }

  links(): readonly LinkState[] {
    return this.#p.links.list();
  }

  nodes(): readonly NodeState[] {
    return this.#p.nodes();
  }

  pushes(): PushState {
    return this.#p.delivery.stats();
  }

  receivers(): readonly ReceiverState[] {
    return this.#p.events.stats();
  }

  store(): StoreState {
    const { store, bindings } = this.#p;
    const { trouble } = store;
    return { name: store.name, unsaved: bindings.unsaved.accounts, ...(trouble && { trouble }) };
  }

  texts(): TextState {
    return this.#p.texts.state();
  }

  heap(): HeapState | undefined {
    return this.#p.heapWatch.state;
  }

  textTraces(aor: Aor): readonly TextTrace[] {
    return this.#p.texts.traces.of(aor);
  }

  brake(): readonly BrakeState[] {
    return this.#p.brake.state;
  }

  notBound(): readonly NotBoundContact[] {
    return this.#p.notBound.list();
  }

  /** Undefined before the first count. */
  count(): Count | undefined {
    return this.#p.census.last;
  }

  status(): Summary {
    const { started, links, wakes, brake } = this.#p;
    const held = brake.state;
    return {
      ready: started(),
      links: links.states(),
      waiting: wakes.waiting,
      sensors: Object.fromEntries(links.own.flatMap((l) => (l.sensors ? [[l.name, l.sensors()]] : []))),
      ...(held.length > 0 ? { brake: held.map(inOneLine).join('; ') } : {}),
    };
  }

  /** The latest first; of one account or one call id where given. */
  calls(key?: string): readonly CallTrace[] {
    return this.#p.traces.find(key);
  }

  /** Never rejects: while the store is away, as it was last seen. */
  record(aor: Aor): Promise<AorRecord | undefined> {
    return this.#p.bindings.read(aor);
  }

  policyFor(aor: Aor): PolicyFor {
    return this.#p.policyFor(aor);
  }

  /** Asks each PBX that owns the account. Never rejects. */
  held(aor: Aor): Promise<readonly Held[]> {
    const { links, wire } = this.#p;
    return Promise.all(
      links.owners(aor).map(async (link): Promise<Held> => {
        if (!link.up) return { pbx: link.name, contacts: undefined };
        const answer = await within(wire, ASK_WITHIN, link.ask(aor)).catch(() => undefined);
        return { pbx: link.name, contacts: answer?.contacts };
      }),
    );
  }
}

/** `app apns TEAM.com.example: 3 of its 10 live tokens …` */
function inOneLine({ app, reason }: BrakeState): string {
  return app === undefined ? reason : `app ${app}: ${reason}`;
}
