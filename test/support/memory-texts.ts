/** A store of texts in memory that can be made to fail. A neighbour, no mock. */
import type { Aor } from '../../plugin/core/aor.ts';
import type { BindingId } from '../../plugin/core/binding.ts';
import type { Instant } from '../../plugin/core/time.ts';
import { StoreError } from '../../plugin/ports/binding-store.ts';
import type { KeptText, TextRoom, TextStore } from '../../plugin/ports/text-store.ts';

export class MemoryTexts implements TextStore {
  readonly #texts = new Map<string, KeptText>();
  readonly #claims = new Set<string>();
  /** Every operation rejects with this while it is set. */
  down: string | undefined;

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  async keep(text: KeptText, room: TextRoom): Promise<'kept' | 'there' | 'full'> {
    this.#check();
    const key = `${text.aor} ${text.id}`;
    if (this.#texts.has(key)) return 'there';
    const bytes = [...this.#texts.values()].reduce((sum, t) => sum + Buffer.byteLength(t.body), 0);
    if (this.#texts.size >= room.inAll || bytes + Buffer.byteLength(text.body) > room.bytesInAll) return 'full';
    if ((await this.of(text.aor)).length >= room.ofAccount) return 'full';
    this.#texts.set(key, text);
    return 'kept';
  }

  async of(aor: Aor): Promise<readonly KeptText[]> {
    this.#check();
    return [...this.#texts.values()]
      .filter((t) => t.aor === aor && t.waiting.length > 0)
      .sort((a, b) => a.receivedAt - b.receivedAt || (a.id < b.id ? -1 : 1));
  }

  async taken(aor: Aor, id: string, by: readonly BindingId[], rememberUntil: Instant): Promise<void> {
    this.#check();
    const text = this.#texts.get(`${aor} ${id}`);
    if (!text || text.waiting.length === 0) return;
    const waiting = text.waiting.filter((device) => !by.includes(device));
    const done = { pbx: '', from: '', to: '', contentType: '', body: '', expiresAt: rememberUntil };
    this.#texts.set(`${aor} ${id}`, { ...text, ...(waiting.length === 0 ? done : {}), waiting });
  }

  async expired(now: Instant, limit: number): Promise<readonly KeptText[]> {
    this.#check();
    return [...this.#texts.values()].filter((t) => t.expiresAt <= now).slice(0, limit);
  }

  async drop(aor: Aor, id: string): Promise<void> {
    this.#check();
    this.#texts.delete(`${aor} ${id}`);
  }

  async accounts(): Promise<readonly Aor[]> {
    this.#check();
    return [...new Set([...this.#texts.values()].flatMap((t) => (t.waiting.length > 0 ? [t.aor] : [])))];
  }

  async claim(aor: Aor, device: BindingId): Promise<boolean> {
    this.#check();
    const key = `${aor} ${device}`;
    if (this.#claims.has(key)) return false;
    this.#claims.add(key);
    return true;
  }

  async release(aor: Aor, device: BindingId): Promise<void> {
    this.#claims.delete(`${aor} ${device}`);
  }

  #check(): void {
    if (this.down !== undefined) throw new StoreError(this.down);
  }
}
