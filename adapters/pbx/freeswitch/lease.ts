/**
 * The lease: until when FreeSWITCH may count on us. Kept in mod_hash, in FreeSWITCH's own time, so that clocks that differ do
 * no harm. A pushwake that dies or hangs renews nothing, and the dialplan sees that without asking anybody. Also says
 * which of several nodes works: the one whose name stands there.
 */

/** How often it is renewed, and looked at by a node that stands by. */
export const LEASE_EVERY_MS = 500;
/** FreeSWITCH's whole seconds: up to one of them is over already when it is written. */
export const LEASE_SECONDS = 4;
/**
 * With so many seconds left another node takes it: the one that has it has not renewed it for two seconds. While it stands calls go on being told, so that
 * none falls between the two (ADR 0140).
 */
const TAKEN_WITH_SECONDS_LEFT = 1;
/** A node that stands by says so for this long, for the one that leaves. */
const SPARE_SECONDS = 2;
/** What FreeSWITCH answered is true of the moment when it was asked: later than this, in ms, the lease may be another node's. */
const TRUE_FOR_MS = 1_000;

/** One `api` command, answered with its body. */
export type Api = (command: string) => Promise<string>;

/**
 * `held`: ours for another while. `standby`: another node works. `lost`: what we had written is gone (mod_hash was
 * reloaded), and with it every mark.
 */
export type LeaseState = 'held' | 'standby' | 'lost';

/** By this name the worker says to the main thread whether it holds the lease: no event of FreeSWITCH has it. */
export const LEASE_NEWS = 'PUSHWAKE_LEASE';

/** What the dialplan finds of us in mod_hash, for as long as it is renewed. */
export interface Presence {
  renew(): Promise<LeaseState>;
  /** From now on another node shall work, as soon as there is one; this one does as long as there is none. */
  drain(): void;
  drop(): Promise<void>;
}

export class Lease implements Presence {
  readonly #node: string;
  readonly #api: Api;
  readonly #monotonicMs: () => number;
  #held = false;
  #dropped = false;
  #drained = false;
  /** When FreeSWITCH was asked for its time, for the renewal that counts. */
  #renewedMs = 0;
  /** Who stood by when it was renewed last. */
  #spare: string | undefined;

  constructor(node: string, api: Api, monotonicMs: () => number) {
    this.#node = node;
    this.#api = api;
    this.#monotonicMs = monotonicMs;
  }

  async renew(): Promise<LeaseState> {
    const askedMs = this.#monotonicMs();
    const [now, until, node, spare, spareUntil] = await Promise.all([
      this.#api('strepoch'),
      this.#api('hash select/pushwake/until'),
      this.#api('hash select/pushwake/node'),
      this.#api('hash select/pushwake/spare'),
      this.#api('hash select/pushwake/spare_until'),
    ]);
    const nowSeconds = secondsOf(now);
    if (node.startsWith('-ERR')) throw new Error(NO_HASH);
    // Dropped while we asked: written now, the lease would stand with nobody behind it.
    if (this.#dropped) return 'standby';
    // We stood still in between, and may write nothing upon what was so before.
    if (this.#monotonicMs() - askedMs > TRUE_FOR_MS) return this.renew();
    if (this.#held && until === '') return 'lost';
    if (node !== '' && node !== this.#node && Number(until) - nowSeconds > TAKEN_WITH_SECONDS_LEFT) {
      this.#held = false;
      if (this.#drained) return 'standby';
      await Promise.all([
        this.#api(`hash insert/pushwake/spare/${this.#node}`),
        this.#api(`hash insert/pushwake/spare_until/${nowSeconds + SPARE_SECONDS}`),
      ]);
      return 'standby';
    }
    this.#spare = spare !== this.#node && Number(spareUntil) > nowSeconds ? spare : undefined;
    if (this.#held && this.#drained && this.#spare !== undefined) {
      this.#held = false;
      await this.#api(given(this.#spare));
      return 'standby';
    }
    this.#held = true;
    this.#renewedMs = askedMs;
    // The name first: the event of a call must never go to a node that does not hold the lease.
    await Promise.all([
      this.#api(`hash insert/pushwake/node/${this.#node}`),
      this.#api(`hash insert/pushwake/until/${nowSeconds + LEASE_SECONDS}`),
    ]);
    return 'held';
  }

  /**
   * We go, for good: from now on calls are told to the node that stands by, or take the plain path without waiting for anybody. Commands arrive in
   * their order.
   */
  async drop(): Promise<void> {
    this.#dropped = true;
    if (!this.#held) return;
    this.#held = false;
    // It hung until its lease ran out, or will within a second: the value may be another node's.
    if (this.#monotonicMs() - this.#renewedMs > (LEASE_SECONDS - 1) * 1_000) return;
    await this.#api(this.#spare === undefined ? 'hash delete/pushwake/until' : given(this.#spare));
  }

  drain(): void {
    this.#drained = true;
  }
}

/** The lease goes on until it runs out, with this name: that node renews it when it looks next. */
const given = (to: string) => `hash insert/pushwake/node/${to}`;

/** In place of the lease while pushwake only observes: the dialplan raises an event for each call and goes on as if pushwake were not there. */
export class Observing implements Presence {
  readonly #api: Api;
  #dropped = false;

  constructor(api: Api) {
    this.#api = api;
  }

  async renew(): Promise<LeaseState> {
    const nowSeconds = secondsOf(await this.#api('strepoch'));
    if (this.#dropped) return 'standby';
    const answer = await this.#api(`hash insert/pushwake/observe/${nowSeconds + LEASE_SECONDS}`);
    if (answer.startsWith('-ERR')) throw new Error(NO_HASH);
    return 'held';
  }

  drain(): void {}

  /** Another observer beside this FreeSWITCH writes it again within seconds. */
  async drop(): Promise<void> {
    this.#dropped = true;
    await this.#api('hash delete/pushwake/observe');
  }
}

const NO_HASH = 'FreeSWITCH knows no marks: is mod_hash loaded?';

function secondsOf(strepoch: string): number {
  const seconds = Number(strepoch.trim());
  if (Number.isInteger(seconds)) return seconds;
  throw new Error('FreeSWITCH does not answer with its time: is mod_commands loaded?');
}
