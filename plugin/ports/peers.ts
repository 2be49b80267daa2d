/**
 * The other pushwake nodes on the same store. Each node runs the links it is configured with; what concerns another node's
 * PBX is asked of that node. Alone is a way to work: nothing here may hold up a start, a call or a stop.
 */
import type { Aor } from '../core/aor.ts';
import type { Mode } from '../core/policy.ts';
import type { DurationMs, Instant } from '../core/time.ts';
import type { HeldContact, Sensor } from './pbx-link.ts';

/** A PBX as the node that runs its link announces it. */
export interface AnnouncedPbx {
  /** Its name in the configuration. The same name on two nodes is the same PBX. */
  readonly pbx: string;
  readonly realm: string;
  readonly up: boolean;
  /** This PBX asks another node first, and this one while that is away. Absent: it asks this one. */
  readonly spare?: true;
  /** This PBX asks all nodes at once. Absent: it asks one of them. */
  readonly shares?: true;
}

/** What a node says of itself. */
export interface NodeFacts {
  /** Name of its machine. */
  readonly host: string;
  readonly version: string;
  readonly mode: Mode;
  readonly startedAt: Instant;
  /** Calls that wait for a phone there. */
  readonly waiting: number;
  /** How late its main loop came to one of its last announcements. */
  readonly lateMs: DurationMs;
  /** `drained`: it has gone, as it was told to. Absent: it stays. */
  readonly leaving?: 'draining' | 'drained';
}

/** A node of this store, as it was last heard of. */
export interface SeenNode {
  /** Of one life of the process. */
  readonly id: string;
  /** How long ago it announced itself last, in ms. */
  readonly silentMs: DurationMs;
  readonly pbxs: readonly AnnouncedPbx[];
  /** Undefined: a version of pushwake that did not say. */
  readonly facts: NodeFacts | undefined;
}

export interface PeerPbx extends AnnouncedPbx {
  /** How long ago its node announced itself last, in ms. */
  readonly silentMs: DurationMs;
}

/** Asked of the node that runs the link of `pbx`. */
export type PeerRequest =
  | { readonly op: 'ask'; readonly pbx: string; readonly aor: Aor }
  | { readonly op: 'removeContact'; readonly pbx: string; readonly aor: Aor; readonly uri: string }
  | { readonly op: 'setReachable'; readonly pbx: string; readonly aor: Aor; readonly reachable: boolean }
  /** A call waits on the asking node: REGISTERs of this AOR at `pbx` are to be sent there, for at most two minutes. */
  | { readonly op: 'watch'; readonly pbx: string; readonly aor: Aor; readonly on: boolean };

/** A REGISTER of an AOR that a node asked to watch. */
export interface PeerRegistered {
  readonly contact: HeldContact;
  readonly how: Sensor;
  readonly at: Instant;
}

export interface PeerNode {
  /** What this node announces of itself, every two seconds. `lateMs`: by how much its main loop came late to it lately. */
  announce(lateMs: DurationMs): { readonly pbxs: readonly AnnouncedPbx[]; readonly facts: NodeFacts };
  /** Every PBX that other nodes have announced, for a day also those of nodes that have fallen silent. */
  others(pbxs: readonly PeerPbx[], nodes: readonly SeenNode[]): void;
  /** Answers another node. A rejection becomes the asker's. */
  serve(request: PeerRequest, from: string): Promise<unknown>;
  registered(event: PeerRegistered): void;
}

export interface Peers {
  /** Joins, and goes on trying. Resolves after the first attempt, whatever came of it. */
  join(node: PeerNode): Promise<void>;
  /** What this node announces has changed: the others shall know now, not at the next beat. Never rejects. */
  changed(): void;
  /** Rejects with `LinkError` when nobody answers within three seconds, or with what the other node says. */
  request(request: PeerRequest): Promise<unknown>;
  /** Sends to the node that asked to watch. Never rejects; an event that cannot be sent is lost. */
  tell(node: string, event: PeerRegistered): void;
  /** A node that was drained stays in the list of nodes, as one that has gone; any other is forgotten at once. */
  leave(): Promise<void>;
}
