/** Where records live. The store is also the schedule: `claimDue` reads its due index. */

import type { Aor } from '../core/aor.ts';
import type { AorRecord } from '../core/binding.ts';
import type { Instant } from '../core/time.ts';
import { isErrorNamed } from './error-name.ts';
import type { Peers } from './peers.ts';
import type { TextStore } from './text-store.ts';

/** The record was changed by somebody else since it was read: load again and decide again. */
export type PutOutcome =
  | { readonly ok: true; readonly version: number }
  | { readonly ok: false; readonly reason: 'conflict' };

export interface ReadHow {
  /** No call waits for it: a store across a network may read it together with others, some milliseconds later. Default false. */
  readonly calm?: boolean;
  /** There was a record of this account: before a store that may lose everything says "absent", it looks whether it has. Default false. */
  readonly isKnown?: boolean;
}

/**
 * Every method may reject with `StoreError`: that means *unknown*, never *absent*.
 */
export interface BindingStore {
  readonly name: string;
  /** Nobody else writes to it while this process has it open: what was read or written last is what it holds. Default false. */
  readonly isOurs?: boolean;
  /**
   * Opens the store. Rejects with a `StoreError` that says what to do (in use by another process, unreadable, newer format).
   * A store across a network that is away now does not reject: it says so in the log and goes on trying.
   */
  open(): Promise<void>;
  /**
   * Where the store is a file: rejects with the `StoreError` that would stop `open`, and changes nothing. Absent: nothing can be said
   * without connecting.
   */
  tryOut?(): Promise<void>;
  /** Instead of `open`: only `get`, `scan` and `claimDue`, beside a process that writes. For commands that look or export. */
  openForReading(): Promise<void>;
  /** The record of an AOR, or undefined when there is none. */
  get(aor: Aor, how?: ReadHow): Promise<AorRecord | undefined>;
  /**
   * Stores `record` durably if the stored version still is `expectedVersion` (0: must not exist yet) and gives it version
   * `expectedVersion + 1`. Resolves only when the bytes would survive a power cut. `record.dueAt` moves the due index.
   */
  put(record: AorRecord, expectedVersion: number): Promise<PutOutcome>;
  /**
   * AORs whose `dueAt` is at or before `now`, earliest first, at most `limit`. A store shared by several processes leases
   * them; a store with one writer just reads them.
   */
  claimDue(now: Instant, limit: number): Promise<readonly Aor[]>;
  /** Deletes the record if its version still is `expectedVersion`. Deleting what is not there is success. */
  remove(aor: Aor, expectedVersion: number): Promise<PutOutcome>;
  /** All records, in key order, paged inside; safe while writes go on (each record as of its own reading). */
  scan(): AsyncIterable<AorRecord>;
  /** How many AORs are due in the hour buckets to come, for the brake: counts of `dueAt` in [from, to). */
  countDue(from: Instant, to: Instant): Promise<number>;
  /** Present where the store keeps texts for sleeping phones as well; the same object each time. */
  texts?(): TextStore;
  /**
   * Present where the store may lose everything and go on answering (flushed, started again without its log). Until `acceptEmptied`,
   * `get` then rejects in place of answering "absent". Rejects also where the store can be read and not written.
   */
  wasEmptied?(): Promise<boolean>;
  acceptEmptied?(): Promise<void>;
  /**
   * Present where another server may answer than before, without the latest writes (a replica that took over): how often the connection was
   * lost since the start.
   */
  connectionsLost?(): number;
  /** Present where several nodes share the store: the way to the others. */
  peers?(): Peers;
  /** Finishes what was begun, then closes. Idempotent. */
  close(): Promise<void>;
}

/** The store could not answer. Callers treat it as unknown and go on (calls) or try again later (everything else). */
export class StoreError extends Error {
  override name = 'StoreError';

  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, 'StoreError');
  }
}
