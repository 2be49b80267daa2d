/** What an oracle is: a promise of the product, looked at while the world goes on. */
import type { Aor } from '../../plugin/core/aor.ts';
import type { HeldContact } from '../../plugin/ports/pbx-link.ts';
import type { Call, Leg } from './call.ts';
import type { WorldLink } from './link.ts';
import type { LogLine } from './node.ts';
import type { Phone } from './phone.ts';
import type { Attempt } from './push-service.ts';
import type { Commit } from './store.ts';
import type { World } from './world.ts';

export interface Oracle {
  readonly name: string;
  /** One sentence: what would be wrong for whom. */
  readonly why: string;
  /** A push is about to be asked of its service. */
  attempted?(attempt: Attempt, world: World): void;
  /** The service answered, or the attempt was given up. */
  answered?(attempt: Attempt, world: World): void;
  committed?(commit: Commit, world: World): void;
  callStarted?(call: Call, world: World): void;
  rang?(call: Call, phone: Phone, leg: Leg, atOnce: number, world: World): void;
  callEnded?(call: Call, world: World): void;
  /** The PBX accepted a REGISTER of a phone. */
  registered?(phone: Phone, aor: Aor, uri: string, world: World): void;
  /** Pushwake is about to remove a contact from the PBX. */
  removes?(link: WorldLink, contact: Pick<HeldContact, 'aor' | 'uri'>, world: World): void;
  logged?(line: LogLine, world: World): void;
  /** Once in an hour of the world. */
  hourly?(world: World): void;
}

/** Thrown nowhere: kept, and the world stops. */
export interface Violation {
  readonly oracle: string;
  readonly atMs: number;
  readonly what: string;
}
