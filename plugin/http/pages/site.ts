/** What the pages are shown of a running pushwake; the runtime's `Looks` is one. Reads only. */
import type { Aor } from '../../core/aor.ts';
import type { AorRecord, BindingId, Targets } from '../../core/binding.ts';
import type { Mode, Policy } from '../../core/policy.ts';
import type { Stage } from '../../core/stage.ts';
import type { Instant } from '../../core/time.ts';
import type { CallTrace } from '../../core/trace.ts';
import type { HeldContact } from '../../ports/pbx-link.ts';
import type { State } from './problems.ts';

export interface CountedSite {
  readonly at: Instant;
  readonly accounts: number;
  readonly devices: number;
  readonly byStage: Readonly<Record<Stage, number>>;
  readonly unnotifiable: number;
  readonly endsByHour: ReadonlyMap<number, number>;
  readonly endsLater: number;
  readonly seldom: number;
  readonly seldomWoken: readonly { readonly aor: Aor; readonly device: BindingId; readonly record: string }[];
  readonly list: readonly CountedAccount[];
  readonly incomplete?: string;
}

export interface CountedAccount {
  readonly aor: Aor;
  readonly devices: number;
  readonly stage: Stage | undefined;
  readonly endsAt: Instant | undefined;
}

export interface Pushes {
  readonly ended: readonly { provider: string; purpose: string; outcome: string; count: number }[];
  readonly providers: readonly (State['services'][number] & { readonly queued: number; readonly inFlight: number })[];
  readonly retries: number;
  readonly alarms: State['alarms'];
}

export interface Site {
  readonly mode: Mode;
  now(): Instant;
  status(): { readonly ready: boolean; readonly waiting: number; readonly brake?: string };
  links(): readonly (State['links'][number] & { readonly realm: string })[];
  pushes(): Pushes;
  receivers(): State['receivers'];
  store(): State['store'];
  /** Undefined before the first count. */
  count(): CountedSite | undefined;
  /** The latest first; of one account or one call id where given. */
  calls(key?: string): readonly CallTrace[];
  /** Never rejects. */
  record(aor: Aor): Promise<AorRecord | undefined>;
  policyFor(aor: Aor): (targets: Targets) => Policy;
  /** `contacts` undefined: that PBX did not answer in time. Never rejects. */
  held(aor: Aor): Promise<readonly { readonly pbx: string; readonly contacts: readonly HeldContact[] | undefined }[]>;
}
