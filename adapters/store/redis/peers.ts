/**
 * The other nodes, through the Redis they share: one hash in which each says every two seconds what it has, and one channel
 * per node for requests, answers and REGISTERs that are waited for. Messages are hints with a deadline; what must not be
 * lost lies in the records.
 */
import { randomUUID } from 'node:crypto';
import { type DurationMs, HOUR, SECOND } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import { LinkError } from '../../../plugin/ports/pbx-link.ts';
import type {
  AnnouncedPbx,
  NodeFacts,
  PeerNode,
  PeerPbx,
  PeerRegistered,
  PeerRequest,
  Peers,
  SeenNode,
} from '../../../plugin/ports/peers.ts';
import { type Client, clientFor, type RedisCommands } from './connection.ts';
import type { RedisOptions } from './options.ts';
import { HEARTBEAT } from './scripts.ts';

const BEAT_EVERY: DurationMs = 2 * SECOND;
/** After three beats missed its PBXs count as away. */
const SILENT_AFTER: DurationMs = 7 * SECOND;
/** A node unheard for this long is forgotten, as a PBX is. */
const FORGOTTEN_AFTER: DurationMs = 24 * HOUR;
/** The worst lateness of so many beats is announced. */
const LATE_BEATS = 5;
const ANSWER_WITHIN: DurationMs = 3 * SECOND;

type Message =
  | { readonly type: 'request'; readonly from: string; readonly id: string; readonly request: PeerRequest }
  | { readonly type: 'answer'; readonly id: string; readonly value?: unknown; readonly error?: string }
  | { readonly type: 'registered'; readonly event: PeerRegistered }
  /** Look again now: something has changed. */
  | { readonly type: 'look' };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** What is stored of a node: its PBXs, the first of which carries what it says of itself. Versions before read a list of PBXs. */
type Announced = readonly (AnnouncedPbx & { readonly node?: NodeFacts })[];

export class RedisPeers implements Peers {
  readonly #id = randomUUID();
  readonly #options: RedisOptions;
  readonly #deps: AdapterDeps;
  readonly #run: (keys: string[], args: string[]) => Promise<unknown>;
  readonly #client: () => RedisCommands;
  readonly #waiting = new Map<string, Waiting>();
  #subscriber: Client | undefined;
  #node: PeerNode | undefined;
  #known: readonly SeenNode[] = [];
  #cancelBeat: () => void = () => undefined;
  #left = false;
  readonly #late: DurationMs[] = [];

  constructor(
    options: RedisOptions,
    deps: AdapterDeps,
    store: {
      run(script: typeof HEARTBEAT, keys: string[], args: string[]): Promise<unknown>;
      commands(): RedisCommands;
    },
  ) {
    this.#options = options;
    this.#deps = deps;
    this.#run = (keys, args) => store.run(HEARTBEAT, keys, args);
    this.#client = () => store.commands();
  }

  async join(node: PeerNode): Promise<void> {
    this.#node = node;
    // A connection that listens cannot do anything else.
    const subscriber = clientFor(this.#options);
    this.#subscriber = subscriber;
    subscriber.on('error', () => undefined);
    const listening = Promise.resolve(subscriber.connect()).then(() =>
      subscriber.subscribe(this.#channel(this.#id), (text: string) => this.#onMessage(text)),
    );
    listening.catch(() => undefined);
    await this.#beat();
    this.#callToLook();
  }

  changed(): void {
    this.#cancelBeat();
    void this.#beat().then(() => this.#callToLook());
  }

  #callToLook(): void {
    for (const { id } of this.#known) this.#publish(id, { type: 'look' }).catch(() => undefined);
  }

  async request(request: PeerRequest): Promise<unknown> {
    const owner = this.#known.find(
      (k) => k.silentMs < SILENT_AFTER && k.pbxs.some((p) => p.pbx === request.pbx && p.up),
    );
    if (!owner) throw new LinkError(`no node with a link to ${request.pbx} is there`);
    const id = randomUUID();
    let cancel: () => void = () => undefined;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      cancel = this.#deps.clock.after(ANSWER_WITHIN, () =>
        reject(new LinkError(`the node with the link to ${request.pbx} did not answer within ${ANSWER_WITHIN} ms`)),
      );
    });
    // It may be refused while the question is still on its way.
    answer.catch(() => undefined);
    try {
      await this.#publish(owner.id, { type: 'request', from: this.#id, id, request });
      return await answer;
    } catch (error) {
      throw error instanceof LinkError ? error : new LinkError(String(error), { cause: error });
    } finally {
      cancel();
      this.#waiting.delete(id);
    }
  }

  tell(node: string, event: PeerRegistered): void {
    this.#publish(node, { type: 'registered', event }).catch(() => undefined);
  }

  async leave(): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    this.#cancelBeat();
    for (const { reject } of this.#waiting.values()) reject(new LinkError('this node is stopping'));
    // The others shall not wait for the silence.
    const last = this.#node?.announce(0);
    const left = last?.facts.leaving && announced(gone(last.pbxs), { ...last.facts, leaving: 'drained' });
    await this.#run([this.#nodes()], [this.#id, left ?? '', String(FORGOTTEN_AFTER)]).catch(() => undefined);
    this.#callToLook();
    this.#subscriber?.destroy();
  }

  /** Announces this node's PBXs, and takes up what the others announce. */
  async #beat(): Promise<void> {
    const node = this.#node;
    if (this.#left || !node) return;
    try {
      const { pbxs, facts } = node.announce(Math.max(0, ...this.#late));
      const own = announced(pbxs, facts);
      const found = (await this.#run([this.#nodes()], [this.#id, own, String(FORGOTTEN_AFTER)])) as string[];
      this.#known = knownOf(found).filter((k) => k.id !== this.#id);
      node.others(pbxsOf(this.#known), this.#known);
    } catch {
      // Redis is away, which the store reports; the others are as far as the last beat knew.
    }
    // Two beats at once (one was called for) go on as one.
    this.#cancelBeat();
    if (this.#left) return;
    const dueMs = this.#deps.clock.monotonicMs() + BEAT_EVERY;
    this.#cancelBeat = this.#deps.clock.after(BEAT_EVERY, () => {
      this.#late.push(Math.max(0, Math.round(this.#deps.clock.monotonicMs() - dueMs)));
      if (this.#late.length > LATE_BEATS) this.#late.shift();
      void this.#beat();
    });
  }

  #onMessage(text: string): void {
    let message: Message;
    try {
      message = JSON.parse(text) as Message;
    } catch {
      return;
    }
    switch (message.type) {
      case 'request':
        return void this.#serve(message);
      case 'answer': {
        const waiting = this.#waiting.get(message.id);
        if (message.error === undefined) waiting?.resolve(message.value);
        else waiting?.reject(new LinkError(message.error));
        return;
      }
      case 'registered':
        return this.#node?.registered(message.event);
      case 'look':
        this.#cancelBeat();
        return void this.#beat();
      default:
        // A newer node's message.
        return;
    }
  }

  async #serve({ id, from, request }: Extract<Message, { type: 'request' }>): Promise<void> {
    let answer: Message;
    try {
      answer = { type: 'answer', id, value: await this.#node?.serve(request, from) };
    } catch (error) {
      answer = { type: 'answer', id, error: error instanceof Error ? error.message : String(error) };
    }
    await this.#publish(from, answer).catch(() => undefined);
  }

  async #publish(node: string, message: Message): Promise<void> {
    await this.#client().publish(this.#channel(node), JSON.stringify(message));
  }

  #channel(node: string): string {
    return `${this.#options.prefix}:node:${node}`;
  }

  #nodes(): string {
    return `${this.#options.prefix}:{nodes}`;
  }
}

function announced(pbxs: readonly AnnouncedPbx[], node: NodeFacts): string {
  return JSON.stringify(pbxs.map((pbx, i) => (i === 0 ? { ...pbx, node } : pbx)) satisfies Announced);
}

const gone = (pbxs: readonly AnnouncedPbx[]) => pbxs.map((pbx) => ({ ...pbx, up: false }));

/** `id, age in ms, JSON, id, …` as the script answers. */
function knownOf(found: readonly string[]): SeenNode[] {
  const known: SeenNode[] = [];
  for (let i = 0; i + 2 < found.length; i += 3) {
    try {
      const all = JSON.parse(found[i + 2] as string) as Announced;
      const pbxs = all.map(({ node: _, ...pbx }) => pbx);
      const facts = all.find(({ node }) => node)?.node;
      known.push({ id: found[i] as string, silentMs: Number(found[i + 1]), pbxs, facts });
    } catch {
      // Not ours.
    }
  }
  return known;
}

/** One line per PBX: of several nodes with a link to it the one that announced itself last and is up. */
function pbxsOf(known: readonly SeenNode[]): PeerPbx[] {
  const best = new Map<string, PeerPbx>();
  for (const { silentMs, pbxs } of known) {
    for (const p of pbxs) {
      const seen = { ...p, silentMs, up: p.up && silentMs < SILENT_AFTER };
      const before = best.get(p.pbx);
      if (!before || (seen.up && !before.up) || (seen.up === before.up && silentMs < before.silentMs))
        best.set(p.pbx, seen);
    }
  }
  return [...best.values()];
}
