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

type Kind = 'get' | 'claimDue' | 'write';

const kindOf = (operation: StoreOperation): Kind =>
  operation === 'put' || operation === 'remove' ? 'write' : operation;

export class TimedStore implements BindingStore {
  readonly name: string;
  readonly peers?: () => Peers;
  readonly wasEmptied?: () => Promise<boolean>;
  readonly acceptEmptied?: () => Promise<void>;
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
    if (inner.wasEmptied) this.wasEmptied = () => (inner as Required<BindingStore>).wasEmptied();
    if (inner.acceptEmptied) this.acceptEmptied = () => (inner as Required<BindingStore>).acceptEmptied();
    if (inner.peers) this.peers = () => (inner as Required<BindingStore>).peers();
    if (inner.texts) this.texts = () => (inner as Required<BindingStore>).texts();
  }

  /** What a failure says, from the first of them until one of its kind succeeds again. */
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

  async #timed<T>(operation: StoreOperation, ask: () => Promise<T>): Promise<T> {
    const begunMs = this.#clock.monotonicMs();
    try {
      const answer = await ask();
      this.#failing.delete(kindOf(operation));
      this.#answered(operation, this.#clock.monotonicMs() - begunMs, true);
      return answer;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const since = this.#failing.get(kindOf(operation))?.since ?? this.#clock.now();
      this.#failing.set(kindOf(operation), { reason, since });
      this.#answered(operation, this.#clock.monotonicMs() - begunMs, false);
      throw error;
    }
  }
}
