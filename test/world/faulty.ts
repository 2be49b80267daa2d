/** Carries the plan of faults out: what begins, what it hits, when it is over; and remembers which faults there were when. */
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord } from '../../plugin/core/binding.ts';
import { DAY, type DurationMs, HOUR, MINUTE, SECOND } from '../../plugin/core/time.ts';
import type { Call } from './call.ts';
import type { Chance } from './chance.ts';
import { type Fault, type FaultKind, inWords, KINDS } from './faults.ts';
import type { Node } from './node.ts';
import type { Pbx } from './pbx.ts';
import type { Phone } from './phone.ts';
import type { Attempt, PushService } from './push-service.ts';
import type { Commit } from './store.ts';
import type { World } from './world.ts';

export type Hit = (typeof KINDS)[FaultKind]['hits'] | 'clock';

interface Window {
  readonly kind: FaultKind;
  readonly hits: Hit;
  readonly fromMs: number;
  toMs: number;
}

/** What a fault leaves behind is over then, in ms. */
const AFTERMATH: DurationMs = 5 * MINUTE;
/** A backup is at most this old when it is restored. */
const BACKUP_IS_OLD: DurationMs = 3 * DAY;
/** Faults older than this are forgotten. */
const REMEMBERED: DurationMs = 40 * DAY;

export class Faulty {
  readonly #w: World;
  readonly #active = new Set<Fault>();
  #windows: Window[] = [];
  /** Forgotten whenever a fault begins or ends. */
  readonly #lastEnds = new Map<FaultKind | Hit, number>();
  /** What the store held some days before it will be restored. */
  readonly #backups = new Map<Fault, readonly AorRecord[]>();

  readonly #inCalls: Chance;
  readonly #atTheEnd: Chance;

  constructor(world: World) {
    this.#w = world;
    this.#inCalls = world.chance.fork('in calls');
    this.#atTheEnd = world.chance.fork('at the end');
  }

  start(plan: readonly Fault[]): void {
    const { time, store } = this.#w;
    for (const fault of plan) {
      time.after(fault.atMs, () => this.#begin(fault));
      if (fault.kind !== 'backupRestored') continue;
      time.after(Math.max(0, fault.atMs - fault.much * BACKUP_IS_OLD), () => this.#backups.set(fault, store.all));
    }
  }

  /** Whether a fault of these kinds was there between then and now, its aftermath counted in. */
  troubled(hits: readonly Hit[], fromMs: number, toMs = this.#w.time.nowMs): boolean {
    // Asked by most oracles at each step: the last end of each kind answers most of them.
    if (!hits.some((hit) => this.#lastOf(hit) + AFTERMATH >= fromMs)) return false;
    if (toMs >= this.#w.time.nowMs) return true;
    return this.#windows.some((w) => hits.includes(w.hits) && w.fromMs <= toMs && w.toMs + AFTERMATH >= fromMs);
  }

  had(kinds: readonly FaultKind[], fromMs: number): boolean {
    return kinds.some((kind) => this.#lastOf(kind) + AFTERMATH >= fromMs);
  }

  /** True time of the last end of such a fault; infinite while there is one. */
  #lastOf(what: FaultKind | Hit): number {
    const known = this.#lastEnds.get(what);
    if (known !== undefined) return known;
    let last = Number.NEGATIVE_INFINITY;
    for (const w of this.#windows) if (w.kind === what || w.hits === what) last = Math.max(last, w.toMs);
    this.#lastEnds.set(what, last);
    return last;
  }

  /** What is aimed at calls. */
  callStarted(call: Call): void {
    const { time } = this.#w;
    const dies = this.#of('nodeDiesInCalls');
    if (dies && this.#inCalls.happens(0.5)) {
      const node = this.#node(dies);
      time.after(this.#inCalls.spread(50, 15 * SECOND), () => this.#diesForAMoment(node));
    }
    if (!this.#of('reinstalledInCalls') || !this.#inCalls.happens(0.3)) return;
    const phones = call.o.pbx.phones.get(call.aor) ?? [];
    if (phones.length > 0) {
      const phone = this.#inCalls.pick(phones);
      time.after(this.#inCalls.spread(300, 12 * SECOND), () => phone.reinstalled());
    }
  }

  /** A phone that comes for its call changes its network, or loses its connection and comes back. */
  registered(phone: Phone, aor: Aor): void {
    if (!this.#of('movesInCalls') || ![...phone.o.pbx.calls].some((call) => call.aor === aor)) return;
    if (!this.#inCalls.happens(0.4)) return;
    const { time } = this.#w;
    const comesBackMs = this.#inCalls.spread(300, 7 * SECOND);
    // A connection that is shut right after its REGISTER: the phone has another one in no time, but not in less than a handshake takes.
    const connectsMs = this.#inCalls.spread(150, 600);
    const isShut = this.#inCalls.happens(0.5);
    time.after(this.#inCalls.spread(1, 3 * SECOND), () => {
      if (!isShut) return phone.moves(connectsMs);
      phone.sleep();
      time.after(comesBackMs, () => phone.wake(30 * SECOND));
    });
  }

  /** A person reads that calls reach him no more, and opens the app at once. */
  committed({ aor, before, after }: Commit): void {
    if (!this.#of('opensAtTheEnd')) return;
    for (const { id, ending } of after?.bindings ?? []) {
      if (!ending || before?.bindings.find((b) => b.id === id)?.ending) continue;
      for (const phone of this.#w.pbxOf(aor).phones.get(aor) ?? [])
        this.#w.time.after(this.#atTheEnd.spread(5, 2 * MINUTE), () => phone.open());
    }
  }

  /** A notice waits at a service that is out, and its user opens the app meanwhile: what it says is no longer true. */
  answered({ request, truth, outcome }: Attempt): void {
    if (request.purpose !== 'notice' || outcome?.kind !== 'retryLater' || !truth) return;
    if (!this.#of('opensAtTheEnd') || !this.#atTheEnd.happens(0.3)) return;
    this.#w.time.after(this.#atTheEnd.spread(5 * SECOND, 10 * MINUTE), () => truth.phone.open());
  }

  #diesForAMoment(node: Node): void {
    if (!node.isUp) return;
    node.kill();
    this.#w.tell(`node ${node.o.index} dies`);
    this.#w.time.after(this.#inCalls.spread(500, 8 * SECOND), () => {
      const isGone = (f: Fault) => this.#node(f) === node;
      if (!this.#of('nodeKilled', isGone) && !this.#of('nodeLongGone', isGone)) node.start();
    });
  }

  /** The node died at a boundary. */
  crashed(node: Node): void {
    const window: Window = {
      kind: 'nodeCrashes',
      hits: 'node',
      fromMs: this.#w.time.nowMs,
      toMs: Number.POSITIVE_INFINITY,
    };
    this.#windows.push(window);
    this.#lastEnds.clear();
    this.#w.tell(`node ${node.o.index} crashes at a boundary`);
    this.#w.time.after(2 * SECOND, () => {
      node.start();
      window.toMs = this.#w.time.nowMs;
      this.#lastEnds.clear();
    });
  }

  #begin(fault: Fault): void {
    const { time, coverage } = this.#w;
    this.#w.tell(`FAULT ${inWords(fault).slice(inWords(fault).indexOf(' ', 5) + 1)}`);
    coverage.fault(
      fault,
      [...this.#active].map((f) => f.kind),
    );
    const { hits } = KINDS[fault.kind];
    const window: Window = { kind: fault.kind, hits, fromMs: time.nowMs, toMs: Number.POSITIVE_INFINITY };
    this.#windows = this.#windows.filter((w) => w.toMs > time.nowMs - REMEMBERED);
    this.#windows.push(window);
    this.#lastEnds.clear();
    this.#active.add(fault);
    this.#strike(fault);
    this.#states();
    time.after(fault.forMs, () => {
      this.#active.delete(fault);
      this.#heal(fault);
      this.#states();
      window.toMs = time.nowMs;
      this.#lastEnds.clear();
      this.#w.tell(`END of ${fault.kind}`);
    });
  }

  #of(kind: FaultKind, which?: (fault: Fault) => boolean): Fault | undefined {
    for (const fault of this.#active) if (fault.kind === kind && (which?.(fault) ?? true)) return fault;
    return undefined;
  }

  /** Troubles that are there as long as a fault is: two of one kind may overlap. */
  #states(): void {
    const { store, services, pbxs } = this.#w;
    const { trouble } = store;
    trouble.slowMs = (this.#of('storeSlow')?.much ?? 0) * 2 * SECOND;
    trouble.refuses = this.#of('storeRefuses') !== undefined;
    trouble.hangs = this.#of('storeHangs') !== undefined;
    trouble.losesAnswers = this.#of('storeLosesAnswers') !== undefined;
    for (const pbx of pbxs) {
      const here = (fault: Fault) => this.#pbx(fault) === pbx;
      pbx.isSilent = this.#of('pbxSilent', here) !== undefined;
      pbx.slowMs = this.#of('pbxSlow', here) ? 2 * SECOND : 0;
      pbx.ordersFail = this.#of('ordersFail', here) !== undefined;
      pbx.flapsInCalls = this.#of('linkFlapsInCalls', here) !== undefined;
      pbx.secondReportMs = this.#of('secondReport', here) ? 4 * SECOND : 0;
      const skew = this.#of('pbxClock', here);
      pbx.aheadMs = skew ? (skew.much - 0.5) * 20 * MINUTE : 0;
    }
    for (const service of services) {
      const here = (fault: Fault) => this.#service(fault) === service;
      const is = (kind: FaultKind) => this.#of(kind, here) !== undefined;
      Object.assign(service.trouble, {
        out: is('pushOutage'),
        silent: is('pushSilent'),
        slowMs: is('pushSlow') ? 20 * SECOND : 0,
        losesAnswers: is('pushLosesAnswers'),
        doubles: is('pushDoubles'),
        loses: is('pushLost'),
        throttles: is('pushThrottled'),
        throttlesNotices: is('noticesThrottled'),
        refusesKey: is('pushKeyRefused'),
        callsDead: this.#of('pushCallsDead', here)?.much ?? 0,
        saysAnything: is('pushSaysAnything'),
      });
    }
  }

  #pbx({ where }: Fault): Pbx {
    const { pbxs } = this.#w;
    return pbxs[Math.floor(where * pbxs.length)] as Pbx;
  }

  #service({ where }: Fault): PushService {
    const { services } = this.#w;
    return services[Math.floor(where * services.length)] as PushService;
  }

  #phone({ where }: Fault): Phone {
    const { phones } = this.#w;
    return phones[Math.floor(where * phones.length)] as Phone;
  }

  #node({ where }: Fault): Node {
    const { nodes } = this.#w;
    return nodes[Math.floor(where * nodes.length)] as Node;
  }

  #strike(fault: Fault): void {
    const { time, store, policy } = this.#w;
    switch (fault.kind) {
      case 'storeFailover':
        return this.#w.tell(`the store forgot ${store.failover()} writes`);
      case 'linkCut':
      case 'linkLong':
        for (const link of this.#pbx(fault).links) {
          link.isCut = true;
          link.cut('connection lost');
        }
        return;
      case 'pbxRestart':
        return this.#pbx(fault).restart();
      case 'phoneOff':
        return this.#phone(fault).off();
      case 'phoneDozes':
        this.#phone(fault).dozesUntilMs = time.nowMs + fault.forMs;
        return;
      case 'phoneDeaf':
        this.#phone(fault).deafUntilMs = time.nowMs + fault.forMs;
        return;
      case 'phoneDeleted':
        return this.#phone(fault).deleted();
      case 'phoneReinstalled':
        return this.#phone(fault).reinstalled();
      case 'tokenRotated':
        return this.#phone(fault).rotate();
      case 'tokenComesLate': {
        const phone = this.#phone(fault);
        if (phone.isAwake) phone.registerAll('voipOnly');
        return;
      }
      case 'passwordWrong':
        return this.#phone(fault).refused();
      case 'setUpWrong': {
        // An app is set up with a wrong password: it may report its tokens over HTTP, and never registers.
        const phone = this.#phone(fault);
        phone.refused();
        return phone.reinstalled();
      }
      case 'loggedOut': {
        // The account is taken out of an app that is open; of one that is off nobody hears.
        const phone = this.#phone(fault);
        phone.open();
        time.after(1 * SECOND + fault.much * 9 * SECOND, () => phone.logOut());
        return;
      }
      case 'networkChanges':
        return this.#phone(fault).moves();
      case 'nodeKilled':
      case 'nodeLongGone':
        return this.#node(fault).kill();
      case 'nodeCrashes':
        return this.#node(fault).crashAtBoundary(1 + Math.floor(fault.much * 40));
      case 'nodeHangs':
      case 'machineSuspended': {
        const node = this.#node(fault);
        node.freeze(fault.forMs);
        // The dead man's switch of a hung node; a suspended machine's peer gives up somewhat later.
        const afterMs = fault.kind === 'nodeHangs' ? 1 * SECOND : Math.min(30 * SECOND, fault.forMs);
        const { links } = node;
        time.after(afterMs, () => {
          if (node.links === links) for (const link of links) link.cut('main thread does not answer');
        });
        return;
      }
      case 'clockJumps':
        return this.#node(fault).jump(jumpOf(fault));
      case 'policyChanged':
        this.#w.policy = {
          ...policy,
          ttlMs: (2 + Math.floor(fault.much * 12)) * DAY,
          unnotifiableTtlMs: (1 + Math.floor(fault.where * 20)) * DAY,
        };
        return;
      case 'linkReloaded':
        for (const node of this.#w.nodes) void node.reload();
        return;
      case 'observes':
        this.#w.settings = { ...this.#w.settings, mode: 'observe' };
        for (const node of this.#w.nodes) void node.settingsChanged();
        return;
      case 'accountDeleted': {
        const { accounts } = this.#w;
        // One that is about to end anyway, where there is one and the seed wants it: a rare pair otherwise.
        const isAsked = ({ aor }: World['accounts'][number]) =>
          store.record(aor)?.bindings.some((b) => b.lastRefreshAt !== undefined || b.sent.length > 0) ?? false;
        const drawn = accounts[Math.floor(fault.where * accounts.length)];
        const { aor, pbx } = ((fault.much < 0.5 && accounts.find(isAsked)) || drawn) as World['accounts'][number];
        return pbx.deleteAccount(aor);
      }
      case 'expiresChanged':
        return this.#pbx(fault).grantsAnew();
      case 'backupRestored':
        this.#restore(this.#backups.get(fault) ?? []);
        this.#backups.delete(fault);
        return;
      default:
        return;
    }
  }

  #heal(fault: Fault): void {
    switch (fault.kind) {
      case 'linkCut':
      case 'linkLong':
        if (this.#of('linkCut', (f) => this.#pbx(f) === this.#pbx(fault))) return;
        if (this.#of('linkLong', (f) => this.#pbx(f) === this.#pbx(fault))) return;
        for (const link of this.#pbx(fault).links) {
          link.isCut = false;
          link.comesBack();
        }
        return;
      case 'pbxRestart':
        return this.#pbx(fault).isUp();
      case 'phoneOff':
        return this.#phone(fault).on();
      case 'passwordWrong':
      case 'setUpWrong':
        return this.#phone(fault).acceptedAgain();
      case 'loggedOut':
        return this.#phone(fault).logIn();
      case 'nodeKilled':
      case 'nodeLongGone':
        if (!this.#of('nodeKilled', (f) => this.#node(f) === this.#node(fault))) this.#node(fault).start();
        return;
      case 'nodeCrashes':
        return this.#node(fault).crashAtBoundary(0);
      case 'nodeHangs':
      case 'machineSuspended':
        for (const link of this.#node(fault).links) link.comesBack();
        return;
      case 'clockJumps':
        return this.#node(fault).jump(-jumpOf(fault));
      case 'policyChanged':
        this.#w.policy = {
          ...this.#w.policy,
          ttlMs: this.#w.ownPolicy.ttlMs,
          unnotifiableTtlMs: this.#w.ownPolicy.unnotifiableTtlMs,
        };
        return;
      case 'observes':
        this.#w.settings = { ...this.#w.settings, mode: 'full' };
        for (const node of this.#w.nodes) void node.settingsChanged();
        return;
      default:
        return;
    }
  }

  /** Everything as it was then. */
  #restore(backup: readonly AorRecord[]): void {
    const { store } = this.#w;
    for (const node of this.#w.nodes) node.kill();
    for (const record of store.all) store.write(record.aor, undefined);
    for (const record of backup) store.write(record.aor, record);
    for (const node of this.#w.nodes) node.start();
  }
}

/** Forwards or back; small ones as likely as large ones. */
function jumpOf({ much, where }: Fault): number {
  const ms = Math.round(SECOND * ((2 * DAY) / SECOND) ** much);
  return where < 0.5 ? ms : -Math.min(ms, 6 * HOUR);
}
