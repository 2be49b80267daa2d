/**
 * The other pushwake nodes on the same store. Each node runs the links it is configured with; what concerns another node's
 * PBX is asked of that node. Alone is a way to work: nothing here may hold up a start, a call or a stop.
 */
import type { Aor } from '../core/aor.ts';
import type { DurationMs, Instant } from '../core/time.ts';
import type { HeldContact, Sensor } from './pbx-link.ts';

/** A PBX as the node that runs its link tells of it. */
export interface AnnouncedPbx {
  /** Its name in the configuration. The same name on two nodes is the same PBX. */
  readonly pbx: string;
  readonly realm: string;
  readonly up: boolean;
}

export interface PeerPbx extends AnnouncedPbx {
  /** How long ago its node was heard last. */
  readonly silentMs: DurationMs;
}

/** Asked of the node that runs the link of `pbx`. */
export type PeerRequest =
  | { readonly op: 'ask'; readonly pbx: string; readonly aor: Aor }
  | { readonly op: 'removeContact'; readonly pbx: string; readonly aor: Aor; readonly uri: string }
  | { readonly op: 'setReachable'; readonly pbx: string; readonly aor: Aor; readonly reachable: boolean }
  /** A call waits at the asker's: its REGISTERs at `pbx` shall be told, for at most two minutes. */
  | { readonly op: 'watch'; readonly pbx: string; readonly aor: Aor; readonly on: boolean };

/** A REGISTER of an AOR that a node asked to watch. */
export interface PeerRegistered {
  readonly contact: HeldContact;
  readonly how: Sensor;
  readonly at: Instant;
}

export interface PeerNode {
  /** What this node tells of itself, every two seconds. */
  announce(): readonly AnnouncedPbx[];
  /** Every PBX other nodes tell of, also of nodes that have fallen silent (for a day). */
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
  /** To the node that asked to watch. Never rejects; one that cannot be told is lost. */
  tell(node: string, event: PeerRegistered): void;
  leave(): Promise<void>;
}
