/**
 * The PBXs of other nodes, as links of this one: what the runtime asks of them is asked of the node that has them. Their
 * calls are that node's own. And the other side: what other nodes ask of this node's PBXs.
 */
import type { Aor } from '../../core/aor.ts';
import { type DurationMs, type Instant, MINUTE, plus } from '../../core/time.ts';
import type { Clock } from '../../ports/clock.ts';
import {
  type AskAnswer,
  type HeldContact,
  isRegister,
  type LegOutcome,
  LinkError,
  type PbxEvent,
  type PbxLink,
} from '../../ports/pbx-link.ts';
import type { NodeFacts, PeerNode, PeerPbx, PeerRegistered, PeerRequest, Peers, SeenNode } from '../../ports/peers.ts';
import type { NodeState } from '../../ports/status.ts';
import { fleetOf } from './fleet.ts';

/** How long another node's wish to watch an account holds, in ms. Without an end, REGISTERs would be sent for ever to a node that died while a call waited there. */
const WATCHED_FOR: DurationMs = 2 * MINUTE;

export interface RemoteLinksOptions {
  readonly peers: Peers;
  readonly own: readonly PbxLink[];
  readonly realmOf: (link: string) => string;
  readonly clock: Clock;
  /** What this node says of itself. */
  readonly facts: (lateMs: DurationMs) => NodeFacts;
  /** What the others have changed; names of this node's own PBXs are not among them. */
  readonly onOthers: (links: readonly RemoteLink[]) => void;
  readonly onEvent: (event: PbxEvent) => void;
  /** Another node set this on one of this node's PBXs: what is remembered here must not be older. */
  readonly onReachable: (aor: Aor, reachable: boolean) => void;
}

export class RemoteLinks implements PeerNode {
  readonly #o: RemoteLinksOptions;
  readonly #links = new Map<string, RemoteLink>();
  /** AOR to the nodes where a call waits for it, and until when. */
  #others: readonly SeenNode[] = [];
  #lateMs: DurationMs = 0;
  /** When the others were last heard of. */
  #heardMs = 0;
  readonly #watchers = new Map<Aor, Map<string, number>>();

  constructor(options: RemoteLinksOptions) {
    this.#o = options;
  }

  start(): Promise<void> {
    return this.#o.peers.join(this);
  }

  /** What this node says of itself has changed. */
  changed(): void {
    this.#o.peers.changed();
  }

  stop(): Promise<void> {
    return this.#o.peers.leave();
  }

  /** Every event of this node's own links comes by here. */
  onOwnEvent(event: PbxEvent): void {
    if (event.type === 'linkUp' || event.type === 'linkDown') return this.#o.peers.changed();
    if (event.type !== 'contactSeen' || !isRegister(event.how)) return;
    const { contact, how, at } = event;
    for (const [node, until] of this.#watchers.get(contact.aor) ?? []) {
      if (until > this.#o.clock.monotonicMs()) this.#o.peers.tell(node, { contact, how, at });
    }
  }

  // ── What the other nodes see of this one ───────────────────────────────────────────────────────────────────────────

  announce(lateMs: DurationMs) {
    this.#lateMs = lateMs;
    const pbxs = this.#o.own.map((link) => ({
      pbx: link.name,
      realm: this.#o.realmOf(link.name),
      up: link.up,
      ...(link.duty === 'spare' && { spare: true as const }),
      ...(link.duty === 'shares' && { shares: true as const }),
    }));
    return { pbxs, facts: this.#o.facts(lateMs) };
  }

  /** All nodes, this one first. While the store is away the others fall silent. */
  nodes(): readonly NodeState[] {
    const sinceMs = this.#o.clock.monotonicMs() - this.#heardMs;
    const others = this.#others.map((node) => ({ ...node, silentMs: node.silentMs + sinceMs }));
    return fleetOf({ id: 'this', silentMs: 0, ...this.announce(this.#lateMs) }, others);
  }

  others(pbxs: readonly PeerPbx[], nodes: readonly SeenNode[]): void {
    this.#others = nodes;
    this.#heardMs = this.#o.clock.monotonicMs();
    const own = new Set(this.#o.own.map((link) => link.name));
    for (const pbx of pbxs) {
      if (own.has(pbx.pbx)) continue;
      const link = this.#links.get(pbx.pbx) ?? new RemoteLink(pbx.pbx, this.#o.peers);
      link.realm = pbx.realm;
      if (link.up || pbx.up || link.downSince === undefined)
        link.downSince = pbx.up ? undefined : plus(this.#o.clock.now(), -pbx.silentMs);
      this.#links.set(pbx.pbx, link);
    }
    for (const [name, link] of this.#links) {
      if (pbxs.some((p) => p.pbx === name)) continue;
      // Its node said goodbye, which is no less away than one that fell silent.
      link.downSince ??= this.#o.clock.now();
    }
    this.#o.onOthers([...this.#links.values()]);
  }

  async serve(request: PeerRequest, from: string): Promise<unknown> {
    const link = this.#o.own.find((l) => l.name === request.pbx);
    if (!link) throw new LinkError(`this node has no link to ${request.pbx}`);
    switch (request.op) {
      case 'ask':
        return link.ask(request.aor);
      case 'removeContact':
        return link.removeContact({ aor: request.aor, uri: request.uri });
      case 'setReachable':
        this.#o.onReachable(request.aor, request.reachable);
        return link.setReachable(request.aor, request.reachable);
      case 'watch':
        return this.#watch(link, request.aor, from, request.on);
      default:
        request satisfies never;
        // A newer node's question.
        throw new LinkError('this node does not know that question');
    }
  }

  registered(event: PeerRegistered): void {
    const { contact, how, at } = event;
    this.#o.onEvent({ type: 'contactSeen', contact, how, at });
  }

  #watch(link: PbxLink, aor: Aor, node: string, on: boolean): void {
    const nodes = this.#watchers.get(aor) ?? new Map<string, number>();
    if (on) {
      nodes.set(node, this.#o.clock.monotonicMs() + WATCHED_FOR);
      this.#watchers.set(aor, nodes);
      link.watch(aor, true);
      this.#o.clock.after(WATCHED_FOR, () => this.#unwatch(link, aor, node));
      return;
    }
    this.#unwatch(link, aor, node, true);
  }

  #unwatch(link: PbxLink, aor: Aor, node: string, now = false): void {
    const nodes = this.#watchers.get(aor);
    const until = nodes?.get(node);
    // It was asked for again meanwhile.
    if (!nodes || until === undefined || (!now && until > this.#o.clock.monotonicMs())) return;
    nodes.delete(node);
    if (nodes.size > 0) return;
    this.#watchers.delete(aor);
    link.watch(aor, false);
  }
}

export class RemoteLink implements PbxLink {
  readonly name: string;
  readonly #peers: Peers;
  realm = '';
  /** Undefined: a node with a link to it that is up is there. */
  downSince: Instant | undefined;

  constructor(name: string, peers: Peers) {
    this.name = name;
    this.#peers = peers;
  }

  get up(): boolean {
    return this.downSince === undefined;
  }

  async ask(aor: Aor): Promise<AskAnswer> {
    return (await this.#peers.request({ op: 'ask', pbx: this.name, aor })) as AskAnswer;
  }

  async removeContact({ aor, uri }: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    await this.#peers.request({ op: 'removeContact', pbx: this.name, aor, uri });
    return 'gone';
  }

  async setReachable(aor: Aor, reachable: boolean): Promise<void> {
    await this.#peers.request({ op: 'setReachable', pbx: this.name, aor, reachable });
  }

  watch(aor: Aor, on: boolean): void {
    if (this.up) this.#peers.request({ op: 'watch', pbx: this.name, aor, on }).catch(() => undefined);
  }

  /** The resync is done by the node that has the link. */
  async *list(): AsyncIterable<HeldContact> {}

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  compose(): Promise<LegOutcome> {
    return this.#notHere();
  }
  ring(): Promise<LegOutcome> {
    return this.#notHere();
  }
  giveUp(): Promise<LegOutcome> {
    return this.#notHere();
  }

  async #notHere(): Promise<never> {
    throw new LinkError(`calls of ${this.name} are those of another node`);
  }
}
