/**
 * The store of texts, bridged over the time in which it does not answer: texts that come meanwhile are held in memory, and so is the note that
 * a phone has taken one, which would be sent again otherwise. `flush` brings both home (ADR 0105).
 */
import type { Aor } from '../../core/aor.ts';
import type { BindingId } from '../../core/binding.ts';
import { BoundedMap, upTo } from '../../core/bounded-map.ts';
import type { DurationMs, Instant } from '../../core/time.ts';
import { type Clock, within } from '../../ports/clock.ts';
import { type KeptText, MOST_TEXT_BYTES, MOST_TEXTS, type TextStore } from '../../ports/text-store.ts';

/** Texts held in memory, and their bytes together. What comes beyond that takes the way it takes without pushwake. */
const MOST_HELD = 1_000;
const MOST_HELD_BYTES = 4 * 1_024 * 1_024;
/** Notes held in memory, and ids of texts that were delivered out of it. About 300 bytes each. */
const MOST_NOTES = 10_000;
/** Asterisk's dialplan waits 1.5 s for an answer, and the record is read before (0.25 s). In ms. */
const SAVED_WITHIN: DurationMs = 700;
/** A claim of ours counts for this much less (ms) than in the store: two clocks measure it. */
const CLAIM_MARGIN: DurationMs = 5_000;

interface Note {
  readonly aor: Aor;
  readonly id: string;
  readonly by: ReadonlySet<BindingId>;
  readonly rememberUntil: Instant;
}

export class BridgedStore {
  readonly #inner: TextStore;
  readonly #clock: Clock;
  /** In the order in which they came; an account's next text waits behind those that are here. */
  readonly #held = new Map<Aor, KeptText[]>();
  readonly #notes = new BoundedMap<string, Note>(upTo(MOST_NOTES));
  /** Texts that were delivered out of the memory: their PBX may hand them over once more. */
  readonly #delivered = new BoundedMap<string, true>(upTo(MOST_NOTES));
  /** Claims that we have, by device: until when on the monotonic clock. */
  readonly #claimedUntilMs = new BoundedMap<string, number>(upTo(MOST_NOTES));
  /** Why the store took the last text not at once. */
  #trouble: unknown;
  #opened: Promise<void> | undefined;
  #count = 0;
  #bytes = 0;

  constructor(inner: TextStore, clock: Clock) {
    this.#inner = inner;
    this.#clock = clock;
  }

  /** Texts that are in memory only. */
  get held(): number {
    return this.#count;
  }

  get trouble(): unknown {
    return this.#trouble;
  }

  get isWhole(): boolean {
    return this.#count === 0 && this.#notes.size === 0;
  }

  open(): Promise<void> {
    this.#opened ??= this.#inner.open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  /** `held`: the store does not answer, it is in memory. Rejects where the memory is full, too. */
  async keep(text: KeptText, most: number): Promise<'kept' | 'held' | 'there' | 'full'> {
    const mine = this.#held.get(text.aor);
    if (this.#delivered.get(keyOf(text)) || mine?.some(({ id }) => id === text.id)) return 'there';
    if (mine === undefined) {
      try {
        // A store that is slow may have it all the same: it is named by its id, so that `flush` finds it there.
        const keeping = this.open().then(() => this.#inner.keep(text, roomFor(most)));
        return await within(this.#clock, SAVED_WITHIN, keeping);
      } catch (error) {
        this.#trouble = error;
        if (!this.#hasRoom(text)) throw error;
      }
    } else if (mine.length >= most || !this.#hasRoom(text)) return 'full';
    this.#hold(text);
    return 'held';
  }

  async of(aor: Aor): Promise<readonly KeptText[]> {
    const saved = await this.#inner.of(aor);
    return [...saved, ...this.heldOf(aor).filter(({ id }) => !saved.some((t) => t.id === id))].flatMap((text) => {
      const by = this.#notes.get(keyOf(text))?.by;
      const waiting = by ? text.waiting.filter((device) => !by.has(device)) : text.waiting;
      return waiting.length > 0 ? [{ ...text, waiting }] : [];
    });
  }

  /** Those that are in memory only. */
  heldOf(aor: Aor): readonly KeptText[] {
    return this.#held.get(aor) ?? [];
  }

  /** Never rejects: what the store does not take is noted in memory, and its device does not get the text again. */
  async taken(aor: Aor, id: string, by: readonly BindingId[], rememberUntil: Instant): Promise<void> {
    if (this.#takenFromMemory(aor, id, by, rememberUntil)) return;
    try {
      await this.#inner.taken(aor, id, by, rememberUntil);
    } catch {
      this.#note(aor, id, by, rememberUntil);
    }
  }

  expired(now: Instant, limit: number): Promise<readonly KeptText[]> {
    return this.#inner.expired(now, limit);
  }

  drop(aor: Aor, id: string): Promise<void> {
    return this.#inner.drop(aor, id);
  }

  accounts(): Promise<readonly Aor[]> {
    return this.#inner.accounts();
  }

  /** While the store does not answer no other node delivers anything either. */
  async claim(aor: Aor, device: BindingId, forMs: DurationMs): Promise<boolean> {
    const key = `${aor} ${device}`;
    const nowMs = this.#clock.monotonicMs();
    // Ours still: it could not be given back.
    if (nowMs < (this.#claimedUntilMs.get(key) ?? nowMs)) return true;
    try {
      const claimed = await this.#inner.claim(aor, device, forMs);
      if (claimed) this.#claimedUntilMs.set(key, nowMs + forMs - CLAIM_MARGIN);
      return claimed;
    } catch (error) {
      if (this.#held.has(aor)) return true;
      throw error;
    }
  }

  /** Never rejects. What could not be given back ends by itself. */
  async release(aor: Aor, device: BindingId): Promise<void> {
    await this.#inner.release(aor, device).then(
      () => void this.#claimedUntilMs.delete(`${aor} ${device}`),
      () => undefined,
    );
  }

  /** Brings home what is in memory. Resolves with the accounts whose texts it saved; rejects when the store does not answer. */
  async flush(): Promise<readonly Aor[]> {
    await this.open();
    for (const [key, note] of [...this.#notes]) {
      await this.#inner.taken(note.aor, note.id, [...note.by], note.rememberUntil);
      if (this.#notes.get(key) === note) this.#notes.delete(key);
    }
    const saved: Aor[] = [];
    for (const aor of [...this.#held.keys()]) {
      for (let text = this.#held.get(aor)?.[0]; text; text = this.#held.get(aor)?.[0]) {
        // It was taken already, whatever waits there by now: the bound of the memory is the bound.
        const outcome = await this.#inner.keep(text, roomFor(MOST_TEXTS));
        if (outcome === 'full') return saved;
        this.#letGo(text);
      }
      saved.push(aor);
    }
    return saved;
  }

  #takenFromMemory(aor: Aor, id: string, by: readonly BindingId[], rememberUntil: Instant): boolean {
    const text = this.heldOf(aor).find((t) => t.id === id);
    if (!text) return false;
    // A slow store may have it as well.
    this.#note(aor, id, by, rememberUntil);
    const waiting = text.waiting.filter((device) => !by.includes(device));
    const replaced = this.heldOf(aor).map((t) => (t === text ? { ...t, waiting } : t));
    this.#held.set(aor, replaced);
    if (waiting.length === 0) {
      this.#letGo(text);
      this.#delivered.set(keyOf(text), true);
    }
    return true;
  }

  #note(aor: Aor, id: string, by: readonly BindingId[], rememberUntil: Instant): void {
    const key = keyOf({ aor, id });
    const all = new Set([...(this.#notes.get(key)?.by ?? []), ...by]);
    this.#notes.set(key, { aor, id, by: all, rememberUntil });
  }

  #hasRoom(text: KeptText): boolean {
    return this.#count < MOST_HELD && this.#bytes + sizeOf(text) <= MOST_HELD_BYTES;
  }

  #hold(text: KeptText): void {
    this.#held.set(text.aor, [...this.heldOf(text.aor), text]);
    this.#count++;
    this.#bytes += sizeOf(text);
  }

  #letGo(text: KeptText): void {
    const here = this.heldOf(text.aor);
    const left = here.filter(({ id }) => id !== text.id);
    if (left.length === here.length) return;
    if (left.length > 0) this.#held.set(text.aor, left);
    else this.#held.delete(text.aor);
    this.#count--;
    this.#bytes -= sizeOf(text);
  }
}

const roomFor = (ofAccount: number) => ({ ofAccount, inAll: MOST_TEXTS, bytesInAll: MOST_TEXT_BYTES });
const keyOf = ({ aor, id }: Pick<KeptText, 'aor' | 'id'>): string => `${aor} ${id}`;
/** In memory, and whatever the devices are: two bytes a character at most, and its fields. */
const sizeOf = ({ from, to, body }: KeptText): number => 2 * (from.length + to.length + body.length) + 500;
