/** A store whose answers are timed, and that knows whether it answers now. Changes nothing of what is asked or answered. */
import type { Aor } from '../../core/aor.ts';
import type { AorRecord } from '../../core/binding.ts';
import type { Instant } from '../../core/time.ts';
import type { BindingStore, PutOutcome, ReadHow } from '../../ports/binding-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { StoreOperation } from '../../ports/observer.ts';
import type { Peers } from '../../ports/peers.ts';
import type { StoreTrouble } from '../../ports/status.ts';
import type { TextStore } from '../../ports/text-store.ts';

/** `look`: the store was looked at because nothing else was asked of it. */
type Kind = 'get' | 'claimDue' | 'write' | 'look';

const kindOf = (operation: StoreOperation): Kind =>
  operation === 'put' || operation === 'remove' ? 'write' : operation;

export class TimedStore implements BindingStore {
  readonly name: string;
  readonly peers?: () => Peers;
  readonly wasEmptied?: () => Promise<boolean>;
  readonly acceptEmptied?: () => Promise<void>;
  readonly connectionsLost?: () => number;
  readonly texts?: () => TextStore;
  readonly #inner: BindingStore;
  readonly #clock: Clock;
  readonly #answered: (operation: StoreOperation, ms: number, ok: boolean) => void;
  readonly #failing = new Map<Kind, StoreTrouble>();

  /** `answered` is called with each answer. */
  constructor(
    inner: BindingStore,
    clock: Clock,
    answered: (operation: StoreOperation, ms: number, ok: boolean) => void = () => undefined,
  ) {
    this.name = inner.name;
    this.#inner = inner;
    this.#clock = clock;
    this.#answered = answered;
    if (inner.wasEmptied) this.wasEmptied = () => this.#looked(() => (inner as Required<BindingStore>).wasEmptied());
    if (inner.acceptEmptied) this.acceptEmptied = () => (inner as Required<BindingStore>).acceptEmptied();
    if (inner.connectionsLost) this.connectionsLost = () => (inner as Required<BindingStore>).connectionsLost();
    if (inner.peers) this.peers = () => (inner as Required<BindingStore>).peers();
    if (inner.texts) this.texts = () => (inner as Required<BindingStore>).texts();
  }

  /** Known once it is open. */
  get isOurs(): boolean {
    return this.#inner.isOurs === true;
  }

  /** What a failure says, from the first of them until one of its kind succeeds again, or the store was looked at and found well. */
  get trouble(): StoreTrouble | undefined {
    return [...this.#failing.values()].sort((a, b) => a.since - b.since)[0];
  }

  open(): Promise<void> {
    return this.#inner.open();
  }

  openForReading(): Promise<void> {
    return this.#inner.openForReading();
  }

  get(aor: Aor, how?: ReadHow): Promise<AorRecord | undefined> {
    return this.#timed('get', () => this.#inner.get(aor, how));
  }

  put(record: AorRecord, expectedVersion: number): Promise<PutOutcome> {
    return this.#timed('put', () => this.#inner.put(record, expectedVersion));
  }

  claimDue(now: Instant, limit: number): Promise<readonly Aor[]> {
    return this.#timed('claimDue', () => this.#inner.claimDue(now, limit));
  }

  remove(aor: Aor, expectedVersion: number): Promise<PutOutcome> {
    return this.#timed('remove', () => this.#inner.remove(aor, expectedVersion));
  }

  scan(): AsyncIterable<AorRecord> {
    return this.#inner.scan();
  }

  countDue(from: Instant, to: Instant): Promise<number> {
    return this.#inner.countDue(from, to);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #looked(look: () => Promise<boolean>): Promise<boolean> {
    const begunAt = this.#clock.now();
    try {
      const wasEmptied = await look();
      if (wasEmptied) this.#failed('look', 'it came back empty; what is remembered is written back');
      // One look reads and writes: what failed before it is over. One damaged record is told again by whoever reads it next.
      else for (const [kind, { since }] of this.#failing) if (since <= begunAt) this.#failing.delete(kind);
      return wasEmptied;
    } catch (error) {
      this.#failed('look', error);
      throw error;
    }
  }

  #failed(kind: Kind, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#failing.set(kind, { reason, since: this.#failing.get(kind)?.since ?? this.#clock.now() });
  }

  async #timed<T>(operation: StoreOperation, ask: () => Promise<T>): Promise<T> {
    const begunMs = this.#clock.monotonicMs();
    try {
      const answer = await ask();
      this.#failing.delete(kindOf(operation));
      this.#answered(operation, this.#clock.monotonicMs() - begunMs, true);
      return answer;
    } catch (error) {
      this.#failed(kindOf(operation), error);
      this.#answered(operation, this.#clock.monotonicMs() - begunMs, false);
      throw error;
    }
  }
}
