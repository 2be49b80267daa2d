/**
 * The accounts whose phones a call waits for, by the leg that waits. Such a phone's new contact is told at once and read a moment later: the
 * read would stand before the order to ring it, since Asterisk works off one request after the other. Only accounts whose contacts have no Path, of which
 * the address is all that dialling needs.
 */

/** Legs that are remembered; one whose end was missed must not stay for ever. */
const AT_MOST = 10_000;

export class ExpectedPhones {
  readonly #aorOf = new Map<string, string>();
  readonly #legs = new Map<string, number>();

  add(channelId: string, aorId: string): void {
    this.ended(channelId);
    const [oldest] = this.#aorOf.keys();
    if (oldest !== undefined && this.#aorOf.size >= AT_MOST) this.ended(oldest);
    this.#aorOf.set(channelId, aorId);
    this.#legs.set(aorId, (this.#legs.get(aorId) ?? 0) + 1);
  }

  ended(channelId: string): void {
    const aorId = this.#aorOf.get(channelId);
    if (aorId === undefined) return;
    this.#aorOf.delete(channelId);
    const left = (this.#legs.get(aorId) ?? 1) - 1;
    if (left > 0) this.#legs.set(aorId, left);
    else this.#legs.delete(aorId);
  }

  has(aorId: string): boolean {
    return this.#legs.has(aorId);
  }
}
