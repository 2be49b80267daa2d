/**
 * The other pushwake nodes on the same store. Each node runs the links it is configured with; what concerns another node's
 * PBX is asked of that node. Alone is a way to work: nothing here may hold up a start, a call or a stop.
 */
import type { Aor } from '../core/aor.ts';
import type { DurationMs, Instant } from '../core/time.ts';
import type { HeldContact, Sensor } from './pbx-link.ts';

/** A PBX as the node that runs its link announces it. */
export interface AnnouncedPbx {
  /** Its name in the configuration. The same name on two nodes is the same PBX. */
  readonly pbx: string;
  readonly realm: string;
  readonly up: boolean;
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
  /** What this node announces of itself, every two seconds. */
  announce(): readonly AnnouncedPbx[];
  /** Every PBX that other nodes have announced, for a day also those of nodes that have fallen silent. */
  others(pbxs: readonly PeerPbx[]): void;
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
  leave(): Promise<void>;
}
