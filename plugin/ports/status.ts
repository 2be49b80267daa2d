/**
 * What a running pushwake shows of itself: one type. Pages, metrics, health and the command line take a `Pick` of it, so that
 * a fact is named once. Everything is read, nothing is changed by it.
 */
import type { Aor } from '../core/aor.ts';
import type { AorRecord, AppKey, BindingId } from '../core/binding.ts';
import type { PolicyFor } from '../core/lifecycle.ts';
import type { Mode } from '../core/policy.ts';
import type { Stage } from '../core/stage.ts';
import type { PlainReason, TextTrace } from '../core/text-trace.ts';
import type { DurationMs, Instant } from '../core/time.ts';
import type { CallTrace } from '../core/trace.ts';
import type { TroubleCause } from '../core/trouble.ts';
import type { HeldContact } from './pbx-link.ts';
import type { Credential, PushOutcome, PushPurpose } from './push-provider.ts';

export interface RunningStatus {
  readonly mode: Mode;
  now(): Instant;
  /** What health and `pushwake status` show at a glance. */
  status(): Summary;
  links(): readonly LinkState[];
  /** All nodes of the store, this one first. Empty: the store is this node's alone. */
  nodes(): readonly NodeState[];
  pushes(): PushState;
  /** Receivers of webhooks. */
  receivers(): readonly ReceiverState[];
  store(): StoreState;
  texts(): TextState;
  /** Undefined: it cannot be known. */
  heap(): HeapState | undefined;
  /** The latest first, of one account; at most 10. */
  textTraces(aor: Aor): readonly TextTrace[];
  /** What the brake holds now; empty while it is off. */
  brake(): readonly BrakeState[];
  /** Contacts that ask for push and are not bound, oldest first; at most 1,000. */
  notBound(): readonly NotBoundContact[];
  /** Undefined before the first count. */
  count(): Count | undefined;
  /** The latest first; those of one account or one call id where given. */
  calls(key?: string): readonly CallTrace[];
  /** Never rejects: while the store is away, as it was last seen. */
  record(aor: Aor): Promise<AorRecord | undefined>;
  policyFor(aor: Aor): PolicyFor;
  /** Asks each PBX that owns the account. Never rejects. */
  held(aor: Aor): Promise<readonly Held[]>;
}

/** A contact asks for push, and no binding comes of it. */
export interface NotBoundContact {
  /** The account as the PBX names it; it may be none of ours. */
  readonly aor: string;
  readonly pbx: string;
  /** Never holds what the phone wrote. */
  readonly reason: string;
  /** What to do about it. */
  readonly remedy: string;
  /** Seen first. */
  readonly at: Instant;
}

/** What became of texts since the start. */
export interface TextState {
  readonly kept: number;
  /** Once for each device that took one. */
  readonly delivered: number;
  readonly expired: number;
  /** They went the way they go without pushwake, by why. */
  readonly plain: Readonly<Partial<Record<PlainReason, number>>>;
  /** In memory only, because the store does not answer. */
  readonly held: number;
}

export interface Summary {
  /** Started: calls can be woken, or could be if their PBX were up. */
  readonly ready: boolean;
  /** PBX links by name: up or not. */
  readonly links: Readonly<Record<string, boolean>>;
  /** Calls that wait for a phone now. */
  readonly waiting: number;
  /** Why notices and endings are held back, in one line. Absent: they are not. */
  readonly brake?: string;
  /** What each sensor of a PBX has seen; a PBX without sensors is left out: `hep: { received, registers, … }`. */
  readonly sensors: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>;
}

/** One thing that the brake holds: an app, or everything. */
export interface BrakeState {
  /** Absent: every app. */
  readonly app?: AppKey;
  readonly reason: string;
  readonly since: Instant;
}

/** One PBX, as people are shown it. */
export interface LinkState {
  readonly name: string;
  /** The realms it serves, with blanks between; `*` for every one. */
  readonly realm: string;
  readonly up: boolean;
  /** While it is away. */
  readonly downSince?: Instant;
  /** Why it went away. */
  readonly reason?: string;
  /** Another node runs this link. */
  readonly remote: boolean;
}

/** One node of a store that several share. */
export interface NodeState {
  /** Of its machine. */
  readonly name: string;
  readonly isThis: boolean;
  /** `late`: it lags, its main loop or its announcements. `draining`: it takes no new calls. `drained`: it has gone. `silent`: it has died, hangs or is cut off. */
  readonly state: 'alive' | 'late' | 'draining' | 'drained' | 'silent';
  readonly silentMs: DurationMs;
  /** From here on absent where its version does not say. */
  readonly version?: string;
  readonly mode?: Mode;
  readonly startedAt?: Instant;
  readonly waiting?: number;
  readonly lateMs?: DurationMs;
  /** `leads`: it takes the new calls of this PBX now. */
  readonly pbxs: readonly { readonly pbx: string; readonly up: boolean; readonly leads: boolean }[];
}

/** `closed`: pushes go through. `open`: the service is held back. `half-open`: one push finds out. */
export type BreakerState = 'closed' | 'open' | 'half-open';

export interface ServiceState {
  readonly provider: string;
  /** Pushes that wait for their turn. */
  readonly queued: number;
  /** Pushes that the service has not answered yet. */
  readonly inFlight: number;
  readonly breaker: BreakerState;
  /** Why the last push was not taken; absent once one is answered, or 5 minutes later while nothing is held back. */
  readonly trouble?: string;
  /** The proxy its pushes go through, without its login. Absent: none. */
  readonly proxy?: string;
  readonly credentials: readonly Credential[];
}

/** A push service refuses an app for a mistake of ours. */
export interface Alarm {
  readonly provider: string;
  readonly app: string;
  readonly outcome: PushOutcome & { readonly kind: 'misconfigured' };
}

export interface PushState {
  /** Pushes that came to an end, by how. */
  readonly ended: readonly { provider: string; purpose: PushPurpose; outcome: PushOutcome['kind']; count: number }[];
  readonly providers: readonly ServiceState[];
  /** Attempts beyond the first of each push. */
  readonly retries: number;
  /** Misconfigurations that hold now. */
  readonly alarms: readonly Alarm[];
}

export interface ReceiverState {
  readonly name: string;
  readonly waiting: number;
  readonly lost: number;
}

export interface StoreTrouble {
  readonly reason: string;
  readonly since: Instant;
}

export interface StoreState {
  readonly name: string;
  readonly trouble?: StoreTrouble;
  /** Accounts with facts that wait for the store. */
  readonly unsaved: number;
}

/** The memory that JavaScript may use, in bytes. */
export interface HeapState {
  readonly usedBytes: number;
  readonly limitBytes: number;
  /** Absent: there is enough. */
  readonly trouble?: string;
}

/** What one PBX holds of an account now. */
export interface Held {
  readonly pbx: string;
  /** Undefined: it did not answer in time, which says nothing. */
  readonly contacts: readonly HeldContact[] | undefined;
}

/** One account, as the list of accounts shows it. */
export interface CountedAccount {
  readonly aor: Aor;
  readonly devices: number;
  /** The furthest stage of its devices. */
  readonly stage: Stage | undefined;
  /** When the first of its devices ends. */
  readonly endsAt: Instant | undefined;
}

export interface SeldomWoken {
  readonly aor: Aor;
  readonly device: BindingId;
  readonly record: string;
}

export interface TroubledDevice {
  readonly aor: Aor;
  readonly device: BindingId;
  readonly cause: TroubleCause;
}

/** What the store held when it was last counted. */
export interface Count {
  readonly at: Instant;
  readonly tookMs: DurationMs;
  readonly accounts: number;
  readonly devices: number;
  readonly byStage: Readonly<Record<Stage, number>>;
  /** Live bindings of each app: the brake's share is taken of them. */
  readonly byApp: ReadonlyMap<AppKey, number>;
  /** Live bindings whose users cannot be notified: a VoIP token only. */
  readonly unnotifiable: number;
  /** Live bindings that end in the hour that begins at this multiple of an hour; of the coming eight days. */
  readonly endsByHour: ReadonlyMap<number, number>;
  /** Live bindings that end after that. */
  readonly endsLater: number;
  readonly seldom: number;
  /** The first of them. */
  readonly seldomWoken: readonly SeldomWoken[];
  /** Live bindings that do not come as they should, by the cause. */
  readonly troubles: Readonly<Partial<Record<TroubleCause, number>>>;
  /** The first of them. */
  readonly troubled: readonly TroubledDevice[];
  /** Sorted by account; the first of them where there are more than are listed. */
  readonly list: readonly CountedAccount[];
  /** Why it does not hold everything: a damaged record. */
  readonly incomplete?: string;
}
