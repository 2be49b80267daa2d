/** A link of one life of a node to a PBX, in the place of the real adapter: the port as it is, over the simulated PBX. */
import type { Aor } from '../../plugin/core/aor.ts';
import { type DurationMs, SECOND } from '../../plugin/core/time.ts';
import {
  type AskAnswer,
  type DeviceLeg,
  type HeldContact,
  type LegOutcome,
  LinkError,
  type PbxEvent,
  type PbxLink,
  type RingTarget,
  type TestCall,
  type TestCallEnd,
} from '../../plugin/ports/pbx-link.ts';
import type { Call } from './call.ts';
import type { Pbx } from './pbx.ts';
import type { NodeClock } from './time.ts';

/** An answer is awaited for this long, in ms. */
const DEADLINE: DurationMs = 3 * SECOND;

export class WorldLink implements PbxLink {
  readonly name: string;
  readonly pbx: Pbx;
  readonly clock: NodeClock;
  readonly node: number;
  /** How many calls look closely at an account. */
  readonly watched = new Map<Aor, number>();
  /** Which contacts it removed, with why it may. */
  onRemove: (link: WorldLink, contact: Pick<HeldContact, 'aor' | 'uri'>) => void = () => undefined;
  onReachable: (aor: Aor, reachable: boolean) => void = () => undefined;
  up = false;
  upSinceMs = 0;
  /** The way to the PBX is cut. */
  isCut = false;
  /** The same for a moment, whatever else there is. */
  isFlapping = false;
  /** Legs that it has shown and whose end it has not: looked for again when the link is back. */
  readonly #shown = new Map<string, Call>();
  #emit: ((event: PbxEvent) => void) | undefined;
  #lastMs = 0;
  #lastOrderMs = 0;

  constructor(pbx: Pbx, clock: NodeClock, node: number) {
    this.name = pbx.name;
    this.pbx = pbx;
    this.clock = clock;
    this.node = node;
  }

  async start(emit: (event: PbxEvent) => void): Promise<void> {
    this.#emit = emit;
    this.pbx.links.add(this);
    this.#connect();
  }

  async stop(): Promise<void> {
    this.#emit = undefined;
    this.#leave();
    this.pbx.links.delete(this);
  }

  /** The process is gone. */
  died(): void {
    void this.stop();
  }

  cut(reason: string): void {
    if (!this.up) return;
    this.#leave();
    this.clock.deliver(() => this.#emit?.({ type: 'linkDown', pbx: this.name, reason }));
  }

  comesBack(): void {
    this.pbx.o.time.after(this.pbx.o.chance.spread(50, 4 * SECOND), () => this.clock.deliver(() => this.#connect()));
  }

  #leave(): void {
    if (!this.up) return;
    this.up = false;
    this.pbx.disconnected(this);
  }

  #connect(): void {
    if (
      this.up ||
      this.isCut ||
      this.isFlapping ||
      this.pbx.isDown ||
      !this.#emit ||
      this.clock.isDead ||
      this.clock.isFrozen
    )
      return;
    this.up = true;
    this.upSinceMs = this.pbx.o.time.nowMs;
    this.pbx.connected(this);
    this.#emit({ type: 'linkUp', pbx: this.name });
    this.#endedMeanwhile();
    for (const call of this.pbx.calls) call.takeUp(this);
  }

  /** What the call had ended for is not known any more. */
  #endedMeanwhile(): void {
    for (const [legId, call] of [...this.#shown]) {
      if (!call.hasEnded(legId)) continue;
      this.#shown.delete(legId);
      this.#emit?.({ type: 'legEnded', pbx: this.name, legId, cause: 16, hungUp: false });
    }
  }

  #remember(event: PbxEvent): void {
    if (event.type === 'legEnded') this.#shown.delete(event.legId);
    if (event.type !== 'wakeLegArrived' && event.type !== 'deviceLegArrived') return;
    const { legId } = event.leg;
    const call = this.callOf(legId);
    if (call) this.#shown.set(legId, call);
  }

  /** An event of the PBX on its way: in order, or lost where nobody is connected. */
  receive(event: PbxEvent, lateMs: DurationMs = 0): void {
    if (!this.up) return;
    const { time, kind, chance } = this.pbx.o;
    // Of several nodes each may be the first to hear of it.
    const onTheWay = kind === 'freeswitch' ? chance.int(1, 25) : this.pbx.links.size > 1 ? chance.int(1, 3) : 1;
    const atMs = Math.max(time.nowMs + onTheWay + lateMs, lateMs > 0 ? 0 : this.#lastMs);
    if (lateMs === 0) this.#lastMs = atMs;
    time.after(atMs - time.nowMs, () => {
      this.clock.deliver(() => {
        if (!this.up) return;
        this.#remember(event);
        this.#emit?.(event);
      });
    });
  }

  // ── Questions and orders ───────────────────────────────────────────────────────────────────────────────────────────

  #ask<T>(work: () => T): Promise<T> {
    const { pbx, clock } = this;
    if (clock.isDead) return new Promise(() => undefined);
    if (!this.up) return Promise.reject(new LinkError('not connected'));
    const { time, chance } = pbx.o;
    const delayMs = pbx.isSilent ? DEADLINE : pbx.slowMs > 0 ? chance.spread(1, pbx.slowMs) : 0;
    // With nothing in the way the answer is there before anything else happens.
    if (delayMs === 0) return Promise.resolve().then(work);
    // Orders go one way, and none overtakes another.
    const atMs = Math.max(time.nowMs + Math.min(delayMs, DEADLINE), this.#lastOrderMs);
    this.#lastOrderMs = atMs;
    return new Promise((resolve, reject) => {
      time.after(atMs - time.nowMs, () =>
        clock.deliver(() => {
          if (pbx.isSilent || !this.up || delayMs >= DEADLINE) reject(new LinkError('no answer'));
          else new Promise<T>((done) => done(work())).then(resolve, reject);
        }),
      );
    });
  }

  /** An order: the PBX may refuse it, or carry it out and say that it did not. */
  #command<T>(work: () => T): Promise<T> {
    const { ordersFail, o } = this.pbx;
    if (!ordersFail || !o.chance.happens(0.4)) return this.#ask(work);
    const isDone = o.chance.happens(0.5);
    return this.#ask(() => {
      if (isDone) work();
      throw new LinkError('the PBX refuses');
    });
  }

  ask(aor: Aor): Promise<AskAnswer> {
    return this.#ask(() => {
      const { pbx } = this;
      if (pbx.unknown.has(aor)) return { aorExists: false, contacts: [] };
      const maximum = pbx.maximumExpiresMs;
      return {
        aorExists: true,
        contacts: pbx.read(aor).map((c) => pbx.toHeld(c)),
        ...(maximum === undefined ? {} : { maximumExpiresMs: maximum }),
      };
    });
  }

  async *list(): AsyncIterable<HeldContact> {
    const all = await this.#ask(() => this.pbx.all.filter((c) => this.pbx.isValid(c)));
    for (const c of all) yield this.pbx.toHeld(c);
  }

  compose(legId: string, callId: string, ring: readonly RingTarget[]): Promise<LegOutcome> {
    return this.#order((call) => call.composed(this, legId, callId, ring), legId);
  }

  ring(leg: DeviceLeg, contact?: HeldContact): Promise<LegOutcome> {
    return this.#order((call) => call.ring(leg.legId, contact?.uri), leg.legId);
  }

  giveUp(legId: string, cause: number): Promise<LegOutcome> {
    return this.#order((call) => call.giveUp(legId, cause), legId);
  }

  #order(work: (call: Call) => LegOutcome, legId: string): Promise<LegOutcome> {
    return this.#command(() => {
      const call = this.callOf(legId);
      return call ? work(call) : 'gone';
    });
  }

  callOf(legId: string): Call | undefined {
    const id = legId.slice(0, legId.indexOf('/'));
    for (const call of this.pbx.calls) if (call.id === id) return call;
    return undefined;
  }

  placeCall({ id, aor, ringMs }: TestCall): Promise<string> {
    return this.#ask(() => {
      const watcher = { rang: () => undefined, ended: () => undefined };
      const started = () => undefined;
      this.pbx.call({ id, linkedId: id, aor, ringTimeMs: ringMs, patienceMs: ringMs, watcher, started });
      return id;
    });
  }

  endCall(id: string, how: TestCallEnd): Promise<void> {
    return this.#ask(() => {
      const call = [...this.pbx.calls].find((c) => c.id === id);
      if (how === 'elsewhere') call?.takenElsewhere();
      else call?.callerGone();
    });
  }

  get product(): string {
    return `a simulated ${this.pbx.o.kind}`;
  }

  tellStatus(legId: string, status: string): Promise<void> {
    return this.#command(() => this.callOf(legId)?.statusIs(status));
  }

  async showEnded(contact: HeldContact, callId: string): Promise<void> {
    await this.#command(() =>
      this.pbx
        .held(contact.aor)
        .find((c) => c.uri === contact.uri)
        ?.phone?.shownEnded(callId),
    );
  }

  removeContact(contact: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    return this.#command(() => {
      this.onRemove(this, contact);
      this.pbx.remove(contact.aor, contact.uri);
      return 'gone' as const;
    });
  }

  watch(aor: Aor, on: boolean): void {
    const calls = (this.watched.get(aor) ?? 0) + (on ? 1 : -1);
    if (calls > 0) this.watched.set(aor, calls);
    else this.watched.delete(aor);
  }

  setReachable(aor: Aor, reachable: boolean): Promise<void> {
    return this.#command(() => {
      this.pbx.reachable.set(aor, reachable);
      this.onReachable(aor, reachable);
    });
  }
}
