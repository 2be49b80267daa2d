/** Where texts lie that wait for phones: beside the records, because a record is written by each REGISTER (ADR 0091). */
import type { Aor } from '../core/aor.ts';
import type { BindingId } from '../core/binding.ts';
import type { DurationMs, Instant } from '../core/time.ts';

export interface KeptText {
  /** Given by the PBX; unique there. The same text is kept once, however often the PBX hands it over. */
  readonly id: string;
  readonly aor: Aor;
  /** Name of the PBX link it came by, and goes out by. */
  readonly pbx: string;
  /** As the sender wrote them; for the phone only, never for the log. */
  readonly from: string;
  readonly to: string;
  readonly contentType: string;
  readonly body: string;
  readonly receivedAt: Instant;
  /** After this nobody gets it any more. */
  readonly expiresAt: Instant;
  /** Devices that have not taken it. Empty: done, and remembered for a while so that it is not kept anew. */
  readonly waiting: readonly BindingId[];
}

/** What may lie in a store. What is beyond it is not kept. */
export interface TextRoom {
  /** Texts that wait, of one account. */
  readonly ofAccount: number;
  /** Texts and remembered ids, of all accounts. */
  readonly inAll: number;
  /** Their bytes as they are stored, of all accounts. A store that is divided gives each part its share. */
  readonly bytesInAll: number;
}

/** Every method may reject with `StoreError`: that means *unknown*. */
export interface TextStore {
  open(): Promise<void>;
  /**
   * Stores it durably: it survives a power cut when this resolves. `there`: an id that is known, delivered or not. `full`: there is no room for it.
   */
  keep(text: KeptText, room: TextRoom): Promise<'kept' | 'there' | 'full'>;
  /** Those that wait for somebody, in the order in which they came. */
  of(aor: Aor): Promise<readonly KeptText[]>;
  /** These devices wait for it no more. When nobody does, its content is deleted, and its id remembered until `rememberUntil`. */
  taken(aor: Aor, id: string, by: readonly BindingId[], rememberUntil: Instant): Promise<void>;
  /** Texts and remembered ids whose time is over, the earliest first. */
  expired(now: Instant, limit: number): Promise<readonly KeptText[]>;
  drop(aor: Aor, id: string): Promise<void>;
  /** Accounts for which texts wait. */
  accounts(): Promise<readonly Aor[]>;
  /** For one delivery to one device at a time, also where several nodes share the store. False: another one is at it. */
  claim(aor: Aor, device: BindingId, forMs: DurationMs): Promise<boolean>;
  release(aor: Aor, device: BindingId): Promise<void>;
  close(): Promise<void>;
}

/** Of one store: a flood of the longest texts ends after 16,000 of them, long before a disk is full. */
export const MOST_TEXTS = 100_000;
export const MOST_TEXT_BYTES = 256 * 1_024 * 1_024;
