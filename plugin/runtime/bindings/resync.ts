/**
 * What was missed: after each (re)connect, and slowly all the time, the PBX is asked what it holds. Known bindings first;
 * then contacts that no event announced. Calls and readiness never wait for this.
 */
import type { Aor } from '../../core/aor.ts';
import type { AorRecord } from '../../core/binding.ts';
import { type DurationMs, MINUTE } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { BindingStore } from '../../ports/binding-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { HeldContact, PbxLink } from '../../ports/pbx-link.ts';
import type { Intake } from '../intake.ts';
import { Pace } from './pace.ts';

/** How often everything is looked at again: bounds what a lost event can cost. */
const SWEEP_EVERY: DurationMs = 15 * MINUTE;
const AT_ONCE = 8;
/**
 * A link came up and not every record could be read: tried again after this, and then ever more rarely. Until then FreeSWITCH lacks marks, and
 * its calls wake nobody.
 */
const COMPLETED_AFTER: DurationMs = 1 * MINUTE;
/** One damaged record is skipped; with so many, one after the other, it is the store that does not answer. */
const UNREADABLE_MAX = 20;
/** Accounts that were asked are remembered while the contacts are read, as far as this: a million must not live in memory. */
const ASKED_REMEMBERED = 10_000;

export interface ResyncOptions {
  readonly store: BindingStore;
  readonly intake: Pick<Intake, 'fromHeld' | 'fromSweep'>;
  readonly clock: Clock;
  /** The machine's own time, for the pauses. */
  readonly wire: Clock;
  readonly log: Logger;
  /** Sends the PBX whether this account can be reached, unless that was sent already since the link is up. */
  readonly tellReachable: (link: PbxLink, record: AorRecord) => void;
  /** The same where something else was sent last: another node has changed the record, or an order failed. */
  readonly compareReachable: (record: AorRecord) => void;
  readonly owns: (link: PbxLink, aor: Aor) => boolean;
  /** How many calls wait for phones now. */
  readonly waiting: () => number;
}

export class Resync {
  readonly #o: ResyncOptions;
  readonly #running = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  readonly #paces = new Set<Pace>();
  /** Links that were not sent everything since they are up: how often that was tried again, and what cancels the next try. */
  readonly #owed = new Map<string, { readonly tries: number; readonly cancel: () => void }>();
  #cancels: (() => void)[] = [];
  #stopped = false;

  constructor(options: ResyncOptions) {
    this.#o = options;
  }

  /** Sweeps each link every 15 min, the links spread over that time. Called again when there are other links. */
  start(links: readonly PbxLink[]): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
    links.forEach((link, i) => {
      const sweep = () => {
        if (this.#stopped) return;
        if (link.up) void this.run(link, 'sweep');
        this.#cancels[i] = this.#o.clock.after(SWEEP_EVERY, sweep);
      };
      this.#cancels[i] = this.#o.clock.after(SWEEP_EVERY * (1 + i / links.length), sweep);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    for (const { cancel } of this.#owed.values()) cancel();
    for (const pace of this.#paces) pace.stop();
    await Promise.all(this.#running.values());
  }

  async idle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** Runs one resync of a link; a second request while one runs is done after it. Never rejects. */
  async run(link: PbxLink, why: 'connect' | 'sweep'): Promise<void> {
    if (this.#stopped) return;
    if (this.#running.has(link.name)) {
      if (why === 'connect') this.#again.add(link.name);
      return this.#running.get(link.name);
    }
    const work = this.#run(link, why).finally(() => {
      this.#running.delete(link.name);
      if (this.#again.delete(link.name) && !this.#stopped && link.up) void this.run(link, 'connect');
    });
    this.#running.set(link.name, work);
    return work;
  }

  async #run(link: PbxLink, why: 'connect' | 'sweep'): Promise<void> {
    const pace = new Pace(this.#o.wire, why === 'connect', this.#o.waiting);
    this.#paces.add(pace);
    const isComplete = await this.#atPace(link, why, pace);
    this.#paces.delete(pace);
    if (why === 'connect') this.#owe(link, isComplete);
  }

  /** What a link is sent when it comes up is sent again until all of it could be read. */
  #owe(link: PbxLink, isComplete: boolean): void {
    const { tries = 0, cancel } = this.#owed.get(link.name) ?? {};
    cancel?.();
    this.#owed.delete(link.name);
    if (isComplete || this.#stopped || !link.up) return;
    const afterMs = Math.min(COMPLETED_AFTER * 2 ** tries, SWEEP_EVERY);
    const again = () => {
      if (link.up && !this.#stopped) void this.run(link, 'connect');
    };
    this.#owed.set(link.name, { tries: Math.min(tries + 1, 10), cancel: this.#o.clock.after(afterMs, again) });
  }

  /** False: not everything could be read. Never rejects. */
  async #atPace(link: PbxLink, why: 'connect' | 'sweep', pace: Pace): Promise<boolean> {
    const { clock, intake, log, store } = this.#o;
    let isComplete = true;
    const startedMs = clock.monotonicMs();
    let aors = 0;
    let contacts = 0;
    let unreadable = 0;
    const asked = new Set<Aor>();
    const askAbout = (record: AorRecord): Promise<void> | undefined => {
      if (!this.#o.owns(link, record.aor)) return undefined;
      // What ended while the link was away is sent as well.
      if (why === 'connect') this.#o.tellReachable(link, record);
      else this.#o.compareReachable(record);
      if (record.bindings.length === 0) return undefined;
      aors++;
      return link.ask(record.aor).then((answer) => {
        if (asked.size < ASKED_REMEMBERED) asked.add(record.aor);
        contacts += answer.contacts.length;
        return intake.fromSweep(record, answer);
      });
    };
    const takeIn = async (contact: HeldContact): Promise<void> => {
      try {
        if ((await store.get(contact.aor, { calm: true }))?.bindings.length) return;
        unreadable = 0;
      } catch (error) {
        if (++unreadable >= UNREADABLE_MAX) throw error;
        log.warn({ pbx: link.name, aor: contact.aor, reason: String(error) }, 'resync skips an account');
        return;
      }
      contacts++;
      await intake.fromHeld(contact);
    };
    try {
      // One damaged record must not keep the resync from looking for contacts that no event announced.
      await eachAtOnce(AT_ONCE, pace, store.scan(), askAbout, (error) => {
        isComplete = false;
        log.error({ store: store.name, reason: String(error) }, 'resync without the records that cannot be read');
      });
      if (pace.isStopped) return false;
      // Known ones were asked above.
      await eachAtOnce(AT_ONCE, pace, link.list(), (contact) => (asked.has(contact.aor) ? undefined : takeIn(contact)));
      if (pace.isStopped) return false;
      const ms = Math.round(clock.monotonicMs() - startedMs);
      log[why === 'sweep' ? 'debug' : 'info']({ pbx: link.name, aors, contacts, ms }, 'resync done');
      return isComplete;
    } catch (error) {
      log.info(
        { pbx: link.name, reason: String(error) },
        'resync broken off, it is done again at the next connect or sweep',
      );
      return false;
    }
  }
}

/**
 * Works on what comes, at most `limit` at a time, until it is stopped. `work` answers undefined where nothing is to be waited for: most of what a sweep of a large
 * site looks at. Rejects with its first failure; with that of the source as well, unless `brokenOff` hears of it.
 */
async function eachAtOnce<T>(
  limit: number,
  pace: Pace,
  source: AsyncIterable<T>,
  work: (item: T) => Promise<void> | undefined,
  brokenOff?: (error: unknown) => void,
): Promise<void> {
  let running = 0;
  let failed: { error: unknown } | undefined;
  let onEnd: () => void = () => undefined;
  const ended = () => {
    running--;
    onEnd();
  };
  const fails = (error: unknown) => {
    failed ??= { error };
    ended();
  };
  const onlyLeft = (most: number) =>
    new Promise<void>((resolve) => {
      onEnd = () => {
        if (running <= most) resolve();
      };
      onEnd();
    });
  try {
    for await (const item of source) {
      // Of a large store the rest would take minutes, for which a stop would wait.
      if (pace.isStopped) break;
      const done = work(item);
      if (done) {
        running++;
        done.then(ended, fails);
      }
      if (running >= limit) {
        if (pace.isFree) await onlyLeft(limit - 1);
        else {
          await onlyLeft(0);
          await pace.rest();
        }
      }
      if (failed) break;
    }
  } catch (error) {
    if (brokenOff) brokenOff(error);
    else failed ??= { error };
  }
  await onlyLeft(0);
  if (failed) throw failed.error;
}
