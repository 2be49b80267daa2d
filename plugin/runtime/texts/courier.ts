/** Brings the texts that wait for a device to it, in order, one at a time, each once. */
import type { Aor } from '../../core/aor.ts';
import { type AorRecord, type BindingId, isLive } from '../../core/binding.ts';
import type { LifecycleEvent } from '../../core/events.ts';
import { deviceAt, hasNoContact } from '../../core/texts.ts';
import { type DurationMs, MINUTE, plus, SECOND } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import { StoreError } from '../../ports/binding-store.ts';
import { type Clock, within } from '../../ports/clock.ts';
import type { HeldContact, PbxLink, TextOutcome } from '../../ports/pbx-link.ts';
import type { KeptText } from '../../ports/text-store.ts';
import { atBoundary } from '../bindings/crash-points.ts';
import type { BridgedStore } from './bridged-store.ts';

export interface CourierOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly link: (name: string) => PbxLink | undefined;
  /** The PBXs of this node that own an account. */
  readonly pbxsOf: (aor: Aor) => readonly PbxLink[];
  readonly read: (aor: Aor) => Promise<AorRecord | undefined>;
  readonly apply: (aor: Aor, ...facts: readonly LifecycleEvent[]) => Promise<void>;
  /** How long an id is remembered after its text was delivered. */
  readonly rememberFor: DurationMs;
  /** A text went to a device; `unreached` too. */
  readonly onOutcome: (text: KeptText, device: BindingId, contact: HeldContact, outcome: TextOutcome) => void;
  /** The store did not answer: to be done again when it does. */
  readonly onStoreAway: (aor: Aor, error: unknown) => void;
  /** The device has registered, and is gone again without its texts. */
  readonly onMissed: (aor: Aor, device: BindingId) => void;
}

/** Longer than any one text takes; a node that dies gives its claim back by this. */
const CLAIMED_FOR: DurationMs = 2 * MINUTE;
/** No answer to a MESSAGE within this (RFC 3261, timer F), in ms. */
const ANSWERED_WITHIN: DurationMs = 35 * SECOND;
const ASKED_FOR: DurationMs = SECOND;

/**
 * A phone that registers at another address has left the one that a text is on its way to; what it had read there it answers within this, in
 * ms.
 */
const LAST_WORD: DurationMs = 300;

type Where = { readonly pbx: string; readonly uri: string };

interface Round {
  /** Texts came meanwhile, and where the device was seen last. */
  again: Where | undefined | 'no';
  done: Promise<void>;
  /** Where the text under way goes. */
  to: string | undefined;
  /** Gives the text under way up. */
  abandon: () => void;
}

export class Courier {
  readonly #o: CourierOptions;
  /** Deliveries under way. */
  readonly #rounds = new Map<string, Round>();
  #stopped = false;

  constructor(options: CourierOptions) {
    this.#o = options;
  }

  /** What is under way is given up: it is still in the store. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const round of this.#rounds.values()) round.abandon();
    await this.idle();
  }

  async idle(): Promise<void> {
    while (this.#rounds.size > 0) await Promise.all([...this.#rounds.values()].map(({ done }) => done));
  }

  /** Never rejects. Resolves when nothing waits for the device, or it cannot be reached. */
  deliver(store: BridgedStore, aor: Aor, device: BindingId, at: Where | undefined): Promise<void> {
    const key = `${aor} ${device}`;
    const running = this.#rounds.get(key);
    if (running) {
      running.again = at;
      if (at && running.to !== undefined && running.to !== at.uri) this.#o.clock.after(LAST_WORD, running.abandon);
      return running.done;
    }
    const round: Round = { again: 'no', done: Promise.resolve(), to: undefined, abandon: () => undefined };
    this.#rounds.set(key, round);
    round.done = this.#untilNoneCame(store, aor, device, at, round).finally(() => this.#rounds.delete(key));
    return round.done;
  }

  async #untilNoneCame(
    store: BridgedStore,
    aor: Aor,
    device: BindingId,
    first: Where | undefined,
    round: Round,
  ): Promise<void> {
    let at: Where | undefined | 'no' = first;
    while (at !== 'no' && !this.#stopped) {
      round.again = 'no';
      await this.#round(store, aor, device, at, round).catch((error: unknown) => {
        if (error instanceof StoreError) return this.#o.onStoreAway(aor, error);
        this.#o.log.warn({ aor, bindingId: device, reason: String(error) }, 'texts not delivered');
      });
      at = round.again;
    }
  }

  async #round(store: BridgedStore, aor: Aor, device: BindingId, at: Where | undefined, round: Round): Promise<void> {
    const record = await this.#o.read(aor);
    const where = at ?? (record && (await this.#whereIs(record)));
    const link = where && this.#o.link(where.pbx);
    if (!where || !link?.sendText) return;
    // As the PBX holds it: only that has its route.
    const held = await within(this.#o.clock, ASKED_FOR, link.ask(aor)).catch(() => undefined);
    const contact = held?.contacts.find(({ uri }) => uri === where.uri);
    if (!contact) return held && this.#o.onMissed(aor, device);
    // Another node is at it, and finds what is here.
    if (!(await store.claim(aor, device, CLAIMED_FOR))) return;
    try {
      const live = new Set(record?.bindings.filter(isLive).map((b) => b.id));
      const first = async () => (await this.#waiting(store, record, aor, device))[0];
      for (let next = await first(); next; next = await first()) {
        atBoundary('text to be sent');
        const outcome = await this.#send(link, contact, next, round);
        this.#o.onOutcome(next, device, contact, outcome);
        if (outcome === 'unreached') {
          // It left for another address, where the next round begins, or for good.
          if (round.again === 'no' && !this.#stopped) this.#o.onMissed(aor, device);
          break;
        }
        atBoundary('text taken');
        // A device that is gone would let it wait for ever.
        const gone = next.waiting.filter((id) => id !== device && !live.has(id));
        const until = plus(this.#o.clock.now(), this.#o.rememberFor);
        await store.taken(aor, next.id, [device, ...gone], until);
        atBoundary('text noted');
        this.#o.log.info({ aor, bindingId: device, pbx: where.pbx, outcome }, 'text delivered');
      }
    } finally {
      await store.release(aor, device);
    }
    const count = (await this.#waiting(store, record, aor, device)).length;
    await this.#o.apply(aor, { type: 'TextsLeft', bindingId: device, count });
  }

  async #waiting(
    store: BridgedStore,
    record: AorRecord | undefined,
    aor: Aor,
    device: BindingId,
  ): Promise<readonly KeptText[]> {
    const now = this.#o.clock.now();
    const all = await store.of(aor).catch((error: unknown) => {
      const here = store.heldOf(aor);
      // While the store is away a phone that is there gets what is in memory, unless older texts wait for it in the store: those go first.
      if (here.length === 0 || record?.bindings.find(({ id }) => id === device)?.texts) throw error;
      return here;
    });
    return all.filter((text) => text.waiting.includes(device) && text.expiresAt > now);
  }

  async #send(link: PbxLink, contact: HeldContact, text: KeptText, round: Round): Promise<TextOutcome> {
    if (this.#stopped) return 'unreached';
    const sending = link.sendText?.(contact, text) ?? Promise.resolve('unreached' as const);
    const abandoned = new Promise<'unreached'>((resolve) => {
      round.abandon = () => resolve('unreached');
    });
    round.to = contact.uri;
    const outcome = await within(this.#o.clock, ANSWERED_WITHIN, Promise.race([sending, abandoned])).catch(
      () => 'unreached' as const,
    );
    round.to = undefined;
    return outcome;
  }

  /** Its Contact does not say which device it is: where there is only one such device and one such contact, that is it. */
  async #whereIs(record: AorRecord): Promise<Where | undefined> {
    const nameless = record.bindings.filter(hasNoContact);
    if (nameless.length !== 1) return undefined;
    const held: HeldContact[] = [];
    for (const pbx of this.#o.pbxsOf(record.aor)) {
      const answer = await within(this.#o.clock, ASKED_FOR, pbx.ask(record.aor)).catch(() => undefined);
      held.push(...(answer?.contacts ?? []));
    }
    const strangers = held.filter((c) => !deviceAt(record, c.pbx, c.uri));
    return strangers.length === 1 ? strangers[0] : undefined;
  }
}
