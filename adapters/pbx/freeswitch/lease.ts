/**
 * The lease: until when FreeSWITCH may count on us. Kept in mod_hash, in FreeSWITCH's own time, so that clocks that differ do
 * no harm. A pushwake that dies or hangs renews nothing, and the dialplan sees that without asking anybody. Also says
 * which of several nodes works: the one whose name stands there.
 */

export const LEASE_EVERY_MS = 5_000;
/** Two renewals may be late. */
const LEASE_SECONDS = 12;

/** One `api` command, answered with its body. */
export type Api = (command: string) => Promise<string>;

/**
 * `held`: ours for another while. `standby`: another node works. `lost`: what we had written is gone (mod_hash was
 * reloaded), and with it every mark.
 */
export type LeaseState = 'held' | 'standby' | 'lost';

export class Lease {
  readonly #node: string;
  readonly #api: Api;
  #held = false;
  #dropped = false;

  constructor(node: string, api: Api) {
    this.#node = node;
    this.#api = api;
  }

  async renew(): Promise<LeaseState> {
    const [now, until, node] = await Promise.all([
      this.#api('strepoch'),
      this.#api('hash select/pushwake/until'),
      this.#api('hash select/pushwake/node'),
    ]);
    const nowSeconds = Number(now.trim());
    if (!Number.isInteger(nowSeconds)) throw new Error('FreeSWITCH does not tell its time: is mod_commands loaded?');
    if (node.startsWith('-ERR')) throw new Error('FreeSWITCH knows no marks: is mod_hash loaded?');
    // Dropped while we asked: written now, the lease would stand with nobody behind it.
    if (this.#dropped) return 'standby';
    if (this.#held && until === '') return 'lost';
    if (node !== '' && node !== this.#node && Number(until) > nowSeconds) {
      this.#held = false;
      return 'standby';
    }
    this.#held = true;
    // The name first: a call must never be told to a node that does not hold the lease.
    await Promise.all([
      this.#api(`hash insert/pushwake/node/${this.#node}`),
      this.#api(`hash insert/pushwake/until/${nowSeconds + LEASE_SECONDS}`),
    ]);
    return 'held';
  }

  /** We go, for good: from now on calls take the plain path, without waiting for anybody. Commands arrive in their order. */
  async drop(): Promise<void> {
    this.#dropped = true;
    if (!this.#held) return;
    this.#held = false;
    await this.#api('hash delete/pushwake/until');
  }
}
