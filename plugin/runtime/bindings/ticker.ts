/**
 * Time. Asks the store what is due and hands each AOR to the same queue as live events; the core decides. A ring is only a
 * hint: nothing depends on when exactly it comes, so clocks may jump and the process may sleep.
 *
 * Ask before you act: the PBXs that own the AOR are asked what they hold, and their answers are facts like any other,
 * applied before `Ticked`. One that cannot be asked makes the answer *unknown*: nothing is sent and nothing ends.
 */
import type { Aor } from '../../core/aor.ts';
import { between, CLOCKS_DIFFER, type DurationMs, HOUR, type Instant, MINUTE } from '../../core/time.ts';
import type { Logger } from '../../ports/adapter.ts';
import type { BindingStore } from '../../ports/binding-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PbxLink } from '../../ports/pbx-link.ts';
import type { Intake } from '../intake.ts';
import type { Brake } from './brake.ts';

/** How often the store is asked, at most. Also heals whatever a clock jump did. */
const LOOK_EVERY: DurationMs = 1 * MINUTE;
const CLAIM = 500;
/** Asks in flight: enough to do 100,000 a minute, few enough that calls are not felt. */
const AT_ONCE = 48;

export interface TickerOptions {
  readonly store: BindingStore;
  readonly intake: Pick<Intake, 'fromAsked'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly brake: Brake;
  /** The PBXs that own an AOR. */
  readonly linksOf: (aor: Aor) => readonly PbxLink[];
  /** Since when a link is down; undefined while it is up. */
  readonly downSince: (link: PbxLink) => Instant | undefined;
  /** A PBX unseen for this long no longer counts. */
  readonly forgetAfterMs: DurationMs;
  /** Resolves when what was asked for before is nearly done. */
  readonly room: () => Promise<void>;
  /** Called each round, at least once a minute. */
  readonly onRound: () => void;
}

export class Ticker {
  readonly #o: TickerOptions;
  #cancel: () => void = () => undefined;
  #stopped = false;
  #finishing = false;
  #round: Promise<void> | undefined;
  #clocksSaidAt = 0 as Instant;

  constructor(options: TickerOptions) {
    this.#o = options;
  }

  start(): void {
    this.#next(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#round;
  }

  /** Claims nothing more. Resolves when what was claimed is done: no lease is left for others to wait for. */
  async finish(): Promise<void> {
    this.#finishing = true;
    this.#cancel();
    await this.#round;
  }

  async idle(): Promise<void> {
    await this.#round;
  }

  #next(afterMs: DurationMs): void {
    if (this.#stopped || this.#finishing) return;
    this.#cancel = this.#o.clock.after(afterMs, () => {
      this.#round = this.#look()
        .catch((error: unknown) => {
          this.#o.log.warn({ reason: String(error) }, 'cannot read what is due, looking again');
          return false;
        })
        .then((more) => this.#next(more ? 0 : LOOK_EVERY));
    });
  }

  /** One round. True when there may be more at once. */
  async #look(): Promise<boolean> {
    this.#o.onRound();
    const clock = this.#o.brake.compareClocks(this.#o.clock.now());
    await this.#o.brake.foresee(this.#o.clock.now());
    const due = clock === 'ahead' ? [] : await this.#o.store.claimDue(this.#o.clock.now(), CLAIM);
    await this.#o.brake.look(this.#o.clock.now(), due.length);
    if (due.length === 0) return false;
    let next = 0;
    const worker = async () => {
      while (next < due.length && !this.#stopped) {
        const aor = due[next++];
        await this.#o.room();
        if (aor !== undefined) await this.tick(aor);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, due.length) }, worker));
    return due.length === CLAIM;
  }

  /** Asks the PBXs about this AOR and lets the core decide what is due. */
  async tick(aor: Aor): Promise<void> {
    const links = this.#o.linksOf(aor).filter((link) => !this.#forgotten(link));
    const answers = await Promise.allSettled(links.map((link) => link.ask(aor)));
    const given = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const exists = given.some((answer) => answer.aorExists);
    const now = this.#o.clock.now();
    // It would have dropped a contact that has expired: by one of the two clocks, which is wrong by hours, nothing is ended.
    const clocksDiffer = given.some(({ contacts }) =>
      contacts.some((c) => c.expiresAt !== undefined && between(c.expiresAt, now) > CLOCKS_DIFFER),
    );
    if (clocksDiffer) this.#sayClocksDiffer(aor, now);
    const unknown = given.length < answers.length || clocksDiffer;
    // Nobody left to ask (the PBX is gone from the configuration, or unseen for `forgetAfter`): nothing is held up by it.
    const asked = unknown ? 'unknown' : exists || links.length === 0 ? 'held' : 'missing';
    await this.#o.intake.fromAsked(aor, given, asked);
  }

  /** Once in an hour: each account of a PBX may show it. */
  #sayClocksDiffer(aor: Aor, now: Instant): void {
    if (Math.abs(between(this.#clocksSaidAt, now)) < HOUR) return;
    this.#clocksSaidAt = now;
    this.#o.log.warn(
      { aor },
      'the PBX holds a contact that has long expired by our clock: one of the two clocks is wrong, and nothing is sent or ended. Compare `date` on both machines',
    );
  }

  #forgotten(link: PbxLink): boolean {
    const since = this.#o.downSince(link);
    return since !== undefined && between(since, this.#o.clock.now()) > this.#o.forgetAfterMs;
  }
}
