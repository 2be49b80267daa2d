/**
 * A small PBX for the pure wake: it forks, hangs up and loses events as Asterisk does, so that a row of the table reads as
 * what happens to people and phones. `play` takes the core as an argument: the control runs play with a spoilt one.
 */
import type { Aor } from '../../plugin/core/aor.ts';
import type { AorRecord, Binding, BindingId, Targets } from '../../plugin/core/binding.ts';
import { DEFAULT_POLICY, type Policy } from '../../plugin/core/policy.ts';
import { DAY, HOUR, type Instant, instant, plus } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type * as wakeCore from '../../plugin/core/wake.ts';
import type { StoredContact, Wake, WakeDevice, WakeEffect, WakeEvent } from '../../plugin/core/wake.ts';
import type { WakeRecord } from '../../plugin/core/wake-record.ts';

export type WakeCore = Pick<typeof wakeCore, 'beginWake' | 'stepWake' | 'wakeDueAt' | 'parseRef'>;

export const T0: Instant = instant(Date.UTC(2026, 0, 5, 12));
const AOR = '1001@example.com' as Aor;
const NAMES = ['A', 'B', 'C'] as const;
export type Name = (typeof NAMES)[number];

/** What the PBX still holds for a device. `old`: registered an hour ago; `new`: a moment ago. */
export type Held =
  | 'nothing'
  | 'udp old'
  | 'udp new'
  | 'tls'
  | 'tls new'
  | 'udp behind an edge'
  | 'udp that cannot be dialled';

export interface Setup {
  readonly devices?: number;
  readonly held?: Partial<Record<Name, Held>>;
  /** A phone without push on the same account. */
  readonly desk?: boolean;
  /** Device legs come late, with `A arrives`. */
  readonly late?: boolean;
  /** An Asterisk without codes for causes (16 to 18): a leg that was given up with 20 ends with 19. */
  readonly words?: boolean;
  /** The PBX did not say what it holds. */
  readonly unknown?: boolean;
  readonly policy?: Partial<Policy>;
  /** Their push service has one token for everything, as Google's. */
  readonly oneToken?: boolean;
  /** Who came for an earlier round of this call. */
  readonly awake?: readonly Name[];
  /** How fast the devices came for their last calls, in ms; null: not at all. */
  readonly wakes?: WakeRecord;
}

const idOf = (name: Name) => name.toLowerCase().repeat(16) as BindingId;
const nameOf = (id: BindingId) => id.slice(0, 1).toUpperCase() as Name;
const voip = (name: Name) => name.toLowerCase().repeat(64);
const other = (name: Name) => `${name.toLowerCase().repeat(63)}0`;
const PORT = { A: 5001, B: 5002, C: 5003 };

export function uriOf(name: Name, o: { transport?: string; port?: number; user?: string } = {}): string {
  const transport = o.transport && o.transport !== 'udp' ? `;transport=${o.transport}` : '';
  const push = `;pn-provider=apns;pn-param=TEAM.com.example.phone.voip&remote;pn-prid=${voip(name)}:voip&${other(name)}:remote`;
  return `sip:${o.user ?? '1001'}@192.0.2.1:${o.port ?? PORT[name]}${transport}${push}`;
}

function contactOf(name: Name, held: Exclude<Held, 'nothing'>): StoredContact {
  const grantedAt = held.endsWith('new') ? plus(T0, -5_000) : plus(T0, -HOUR);
  return {
    uri: uriOf(name, {
      transport: held.startsWith('tls') ? 'tls' : 'udp',
      ...(held === 'udp that cannot be dialled' ? { user: '10,01' } : {}),
    }),
    expiresAt: plus(grantedAt, DAY),
    ...(held === 'udp behind an edge' ? { path: '<sip:edge.example.com;lr>' } : {}),
  };
}

function bindingOf(name: Name, held: Held, oneToken = false, wakes?: WakeRecord): Binding {
  const target = (token: string) => ({ provider: 'apns', app: 'TEAM.com.example.phone', token: new Token(token) });
  const targets: Targets = { call: target(voip(name)), other: target(oneToken ? voip(name) : other(name)) };
  const seenAt = held.endsWith('new') ? plus(T0, -5_000) : plus(T0, -HOUR);
  return {
    id: idOf(name),
    createdAt: plus(T0, -DAY),
    evidence: {},
    choice: undefined,
    targets,
    contacts: held === 'nothing' ? [] : [{ pbx: 'office', uri: contactOf(name, held).uri, seenAt, grantedMs: DAY }],
    renewedAt: seenAt,
    endsAt: plus(seenAt, 7 * DAY),
    sent: [],
    unansweredWakes: 0,
    ...(wakes && { wakes }),
  };
}

interface Leg {
  readonly id: string;
  readonly name: Name;
  readonly kind: 'device' | 'stored';
  readonly ref: string;
  state: 'held' | 'dialled' | 'ringing' | 'ended';
}

const WAKE_LEG = 'wake-leg';
const HUNG_UP = { elsewhere: 26, cancelled: 127, 'gave-up': 16 } as const;

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFrozen(part);
  }
  return value;
}

export class Game {
  wake: Wake;
  /** `A device`, `A stored`: legs that were told to ring their phone. */
  readonly rings: string[] = [];
  readonly ended: string[] = [];
  readonly told: string[] = [];
  readonly pushed: string[] = [];
  readonly composed: string[] = [];
  readonly afterOver: WakeEffect[] = [];
  /** What phones that came too late were shown. */
  readonly shown: string[] = [];
  readonly statuses: string[] = [];
  readonly steps: string[] = [];
  overs = 0;
  now: Instant = T0;
  readonly #core: WakeCore;
  readonly #setup: Setup;
  readonly #policy: Policy;
  readonly #legs: Leg[] = [];
  readonly #queue: WakeEvent[] = [];
  readonly #freshWhileLost: StoredContact[] = [];
  #stepping = false;
  #linked = true;
  /** The call is over at the PBX. */
  #gone = false;
  #wakeLegTold = false;

  constructor(core: WakeCore, setup: Setup) {
    this.#core = core;
    this.#setup = setup;
    this.#policy = { ...DEFAULT_POLICY, ...setup.policy };
    const names = NAMES.slice(0, setup.devices ?? 1);
    const record: AorRecord = {
      aor: AOR,
      version: 1,
      tombstones: [],
      bindings: names.map((name) => bindingOf(name, setup.held?.[name] ?? 'nothing', setup.oneToken, setup.wakes)),
    };
    const arrival = { pbx: 'office', aor: AOR, wakeLeg: WAKE_LEG, callId: 'call', stem: 'w00000000', startedAt: T0 };
    const begun = core.beginWake(
      arrival,
      record,
      () => this.#policy,
      (b) => b.targets.call,
      (b) => setup.awake?.includes(nameOf(b.id)) ?? false,
    );
    this.wake = begun.wake;
    this.#carryOut(begun.effects);
  }

  /** The PBX answers what it holds; the legs it composes arrive at once. */
  answerAsk(): void {
    const held: StoredContact[] = this.wake.devices.flatMap((d) => {
      const what = this.#setup.held?.[nameOf(d.bindingId)] ?? 'nothing';
      return what === 'nothing' ? [] : [contactOf(nameOf(d.bindingId), what)];
    });
    if (this.#setup.desk) held.push({ uri: 'sip:1001@192.0.2.9:5060' });
    this.#step({ type: 'Asked', contacts: this.#setup.unknown ? 'unknown' : held });
  }

  do(what: string): void {
    const [subject, verb, detail] = what.split(' ') as [string, string, string | undefined];
    if (subject === 'wait') return this.#wait(Number(verb));
    if (what === 'pbx answers') return this.answerAsk();
    if (what === 'desk answers') return this.#end('elsewhere');
    if (what === 'caller cancels') return this.#end('cancelled');
    if (what === 'time up') return this.#end('gave-up');
    // As it is told when the call ends in the moment in which what to ring is on its way.
    if (what === 'wake leg ends') return this.#step({ type: 'LegEnded', legId: WAKE_LEG, cause: 16, hungUp: false });
    if (what === 'link lost') {
      this.#linked = false;
      return;
    }
    if (what === 'link back') return this.#linkBack();
    this.#phone(subject as Name, verb, detail);
  }

  #phone(name: Name, verb: string, detail: string | undefined): void {
    const leg = this.#legs.find((l) => l.name === name && (l.state === 'dialled' || l.state === 'ringing'));
    switch (verb) {
      case 'registers': {
        const held = this.#setup.held?.[name];
        const uri =
          detail === 'again' && held && held !== 'nothing'
            ? contactOf(name, held).uri
            : uriOf(name, { port: 6000, transport: 'tls' });
        const contact = { uri, expiresAt: plus(this.now, DAY) };
        if (this.#linked) this.#step({ type: 'Registered', contact });
        else this.#freshWhileLost.push(contact);
        return;
      }
      case 'rings':
        if (!leg || this.#gone) return;
        leg.state = 'ringing';
        return this.#tell({ type: 'LegRinging', ref: leg.ref });
      case 'answers':
        if (leg?.state !== 'ringing' || this.#gone) return;
        this.#tell({ type: 'LegAnswered', legId: leg.id });
        leg.state = 'ended';
        return this.#end('elsewhere');
      case 'says':
        if (!leg || this.#gone) return;
        leg.state = 'ended';
        this.#tell({ type: 'LegEnded', legId: leg.id, cause: Number(detail), hungUp: false });
        return this.#lastLegGone(Number(detail));
      case 'guard': {
        const stored = this.#legs.find((l) => l.name === name && l.kind === 'stored' && l.state === 'held');
        if (!stored || this.#gone) return;
        stored.state = 'dialled';
        return this.#tell({ type: 'LegDials', legId: stored.id });
      }
      case 'arrives': {
        const late = this.#legs.find((l) => l.name === name && l.kind === 'device' && l.state === 'held');
        if (late && !this.#gone) this.#tell({ type: 'LegArrived', legId: late.id, ref: late.ref });
        return;
      }
      case 'push':
        return this.#step({
          type: 'PushSettled',
          bindingId: idOf(name),
          outcome: detail as 'accepted' | 'delayed' | 'dead' | 'failed',
        });
      default:
        throw new Error(`what is "${name} ${verb}"?`);
    }
  }

  #wait(ms: number): void {
    const until = plus(this.now, ms);
    for (;;) {
      const due = this.#core.wakeDueAt(this.wake);
      if (due === undefined || due > until) break;
      this.now = due > this.now ? due : this.now;
      this.#step({ type: 'TimePassed', linkUp: this.#linked });
      if (this.#core.wakeDueAt(this.wake) === due) throw new Error('the wake asks for the same instant again');
    }
    this.now = until;
  }

  /** The call ends: every leg that is left is hung up, with the same cause. */
  #end(word: keyof typeof HUNG_UP): void {
    if (this.#gone) return;
    this.#gone = true;
    const cause = HUNG_UP[word];
    for (const leg of this.#legs) {
      if (leg.state === 'ended') continue;
      leg.state = 'ended';
      this.#tell({ type: 'LegEnded', legId: leg.id, cause, hungUp: true });
    }
    this.#wakeLegEnds(cause, true);
  }

  #lastLegGone(cause: number): void {
    if (this.#gone || this.#setup.desk || this.#legs.some((l) => l.state !== 'ended')) return;
    this.#gone = true;
    this.#wakeLegEnds(cause, false);
  }

  #wakeLegEnds(cause: number, hungUp: boolean): void {
    if (!this.#linked) return;
    this.#wakeLegTold = true;
    this.#step({ type: 'LegEnded', legId: WAKE_LEG, cause, hungUp });
  }

  #linkBack(): void {
    if (this.#linked) return;
    this.#linked = true;
    for (const leg of this.#legs) {
      if (leg.state === 'held') this.#step({ type: 'LegArrived', legId: leg.id, ref: leg.ref });
      if (leg.state === 'ended') this.#step({ type: 'LegEnded', legId: leg.id, cause: 0, hungUp: false });
    }
    if (this.#gone && !this.#wakeLegTold) this.#wakeLegEnds(0, false);
    for (const contact of this.#freshWhileLost.splice(0)) this.#step({ type: 'Registered', contact });
  }

  /** An event of the PBX: lost while the link is. */
  #tell(event: WakeEvent): void {
    if (this.#linked) this.#step(event);
  }

  #step(event: WakeEvent): void {
    this.#queue.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        const over = this.wake.phase === 'over';
        // Pure: whatever it changed of what it was given, it would throw.
        const { wake, effects } = this.#core.stepWake(deepFrozen(this.wake), next, this.now, () => this.#policy);
        this.wake = wake;
        // The one thing that may follow: a phone that came too late is shown that the call is over.
        const late = effects.some((e) => e.type === 'step' && e.step.step === 'registeredLate');
        if (over) this.afterOver.push(...effects.filter((e) => !late || (e.type !== 'step' && e.type !== 'showEnded')));
        this.#carryOut(effects);
      }
    } finally {
      this.#stepping = false;
    }
  }

  #carryOut(effects: readonly WakeEffect[]): void {
    for (const effect of effects) this.#one(effect);
  }

  #one(effect: WakeEffect): void {
    switch (effect.type) {
      case 'push':
        return void this.pushed.push(nameOf(effect.device.bindingId));
      case 'compose':
        for (const target of effect.ring) {
          if (target.kind === 'contact') this.composed.push('desk');
          else this.#compose(target.ref);
        }
        return;
      case 'ring': {
        const leg = this.#legs.find((l) => l.id === effect.legId);
        if (!leg) throw new Error(`no leg ${effect.legId} to ring`);
        // An order that is lost with the link is given again when the leg is told again.
        if (!this.#linked) return;
        // It has not rung yet and registered elsewhere: one INVITE gives way to the other (wake-anew.test.ts).
        if (leg.kind === 'device' && leg.state === 'dialled') return;
        this.rings.push(`${leg.name} ${leg.kind}`);
        // One for a leg that has ended meanwhile does nothing.
        if (leg.state === 'held') leg.state = 'dialled';
        return;
      }
      case 'giveUp': {
        if (effect.legId === WAKE_LEG) {
          this.ended.push(`wake leg ${effect.cause}`);
          // Asterisk hangs up whatever it had dialled.
          this.#gone = true;
          return;
        }
        const leg = this.#legs.find((l) => l.id === effect.legId);
        if (!leg) throw new Error(`no leg ${effect.legId} to end`);
        this.ended.push(`${leg.name} ${leg.kind} ${effect.cause}`);
        if (leg.state === 'ended' || !this.#linked) return;
        leg.state = 'ended';
        const cause = this.#setup.words && effect.cause === 20 ? 19 : effect.cause;
        this.#queue.push({ type: 'LegEnded', legId: leg.id, cause, hungUp: false });
        return this.#lastLegGone(effect.cause);
      }
      case 'showEnded':
        return void this.shown.push(effect.word);
      case 'status':
        return void this.statuses.push(effect.status);
      case 'step':
        return void this.steps.push(effect.step.step);
      case 'tell':
        return void this.told.push(`${nameOf(effect.device.bindingId)} ${effect.word}`);
      case 'over':
        this.overs++;
        return;
      default:
        return;
    }
  }

  #compose(ref: string): void {
    const read = this.#core.parseRef(ref);
    if (!read) throw new Error(`unreadable ref ${ref}`);
    const name = nameOf(read.bindingId);
    this.composed.push(`${name} ${read.kind}`);
    const leg: Leg = { id: `leg-${name}-${read.kind}`, name, kind: read.kind, ref, state: 'held' };
    this.#legs.push(leg);
    if (this.#setup.late && leg.kind === 'device') return;
    this.#queue.push({ type: 'LegArrived', legId: leg.id, ref });
  }

  device(name: Name): WakeDevice | undefined {
    return this.wake.devices.find((d) => d.bindingId === idOf(name));
  }
}

export interface Row {
  readonly sentence: string;
  readonly setup: Setup;
  /** After the PBX said what it holds, unless the row says `pbx answers` itself. */
  readonly events: readonly string[];
  readonly rings: readonly string[];
  readonly told: readonly string[];
  /** Legs ended by us: device, leg, cause. Not looked at when absent. */
  readonly ended?: readonly string[];
  readonly outcome?: string;
  readonly pushed?: readonly string[];
  /** What a phone that came too late was shown. */
  readonly shown?: readonly string[];
  /** What the dialplan was told, in order. */
  readonly statuses?: readonly string[];
}

export function play(core: WakeCore, setup: Setup, events: readonly string[]): Game {
  const game = new Game(core, setup);
  if (!events.includes('pbx answers')) game.answerAsk();
  for (const event of events) game.do(event);
  return game;
}

const two = { devices: 2 } as const;
const WORD_OF = { 'desk answers': 'elsewhere', 'caller cancels': 'cancelled', 'time up': 'gave-up' } as const;
const awake = ['A registers', 'A rings'];

export const ROWS: readonly Row[] = [
  // What rings at once.
  {
    sentence: 'a phone that sleeps and is nowhere registered: its leg waits',
    setup: {},
    events: [],
    rings: [],
    told: [],
  },
  {
    sentence: 'a stored TLS contact is rung at once: alive it rings, dead it costs nothing',
    setup: { held: { A: 'tls' } },
    events: [],
    rings: ['A stored'],
    told: [],
  },
  {
    sentence: 'a stored UDP contact of a moment ago is rung at once',
    setup: { held: { A: 'udp new' } },
    events: [],
    rings: ['A stored'],
    told: [],
  },
  {
    sentence: 'a stored UDP contact of an hour ago waits: an INVITE to a dead one is sent again and again',
    setup: { held: { A: 'udp old' } },
    events: [],
    rings: [],
    told: [],
  },
  ...(
    [
      ['did not come for its last call', [1_700, null], []],
      ['came late for its last two calls: asleep, and woken by its pushes', [20, 900, 1_700], []],
      ['came late for its last call only', [20, 1_700], ['A stored']],
      ['came late once, and was awake at its last call', [1_700, 1_700, 20], ['A stored']],
      ['has had one call, and came late', [1_700], ['A stored']],
    ] as const
  ).map(
    ([what, wakes, rings]): Row => ({
      sentence: `a stored TLS contact of a phone that ${what}: ${rings.length > 0 ? 'rung at once' : 'waits for the push'}`,
      setup: { held: { A: 'tls' }, wakes },
      events: [],
      rings,
      told: [],
    }),
  ),
  {
    sentence: '… it registers, on the same connection: one INVITE, none lies in a buffer',
    setup: { held: { A: 'tls' }, wakes: [null] },
    events: ['A registers again', 'A rings', 'time up'],
    rings: ['A device'],
    ended: ['A stored 44'],
    told: [],
  },
  {
    sentence: '… its push fails: what is stored is rung now',
    setup: { held: { A: 'tls' }, wakes: [null] },
    events: ['A push failed'],
    rings: ['A stored'],
    told: [],
  },
  {
    sentence: '… it registered a moment ago: rung at once',
    setup: { held: { A: 'tls new' }, wakes: [null] },
    events: [],
    rings: ['A stored'],
    told: [],
  },
  {
    sentence: '… the caller hangs up before: it was never dialled',
    setup: { held: { A: 'tls' }, wakes: [null] },
    events: ['wait 1000', 'caller cancels'],
    rings: [],
    told: ['A cancelled'],
    outcome: 'cancelled',
  },
  {
    sentence: 'a PBX that does not say what it holds takes the plain path, and who was pushed is told',
    setup: { ...two, unknown: true },
    events: [],
    rings: [],
    told: ['A gave-up', 'B gave-up'],
    outcome: 'gave-up',
  },

  // The phone wakes.
  {
    sentence: 'it registers: rung once, told nothing when it answers',
    setup: {},
    events: [...awake, 'A answers'],
    rings: ['A device'],
    told: [],
    outcome: 'answered',
  },
  {
    sentence: 'it registers three times: rung once',
    setup: {},
    events: ['A registers', 'A registers', 'A rings', 'A registers'],
    rings: ['A device'],
    told: [],
  },
  {
    sentence: 'it registers before its leg is there: rung when the leg comes',
    setup: {},
    events: ['A registers', 'pbx answers'],
    rings: ['A device'],
    told: [],
  },
  {
    sentence: 'UDP, same URI, before the stored contact was dialled: that one is dropped, one INVITE',
    setup: { held: { A: 'udp old' } },
    events: ['A registers again', 'A rings', 'time up'],
    rings: ['A device'],
    ended: ['A stored 44'],
    told: [],
  },
  {
    sentence: 'UDP, another URI: the stored contact is dropped, one INVITE',
    setup: { held: { A: 'udp old' } },
    events: ['A registers'],
    rings: ['A device'],
    ended: ['A stored 44'],
    told: [],
  },
  {
    sentence: 'TLS dead, another connection: the dead leg is dropped, the new one rung',
    setup: { held: { A: 'tls' } },
    events: ['A registers'],
    rings: ['A stored', 'A device'],
    ended: ['A stored 44'],
    told: [],
  },
  {
    sentence: 'TLS alive rings, then its REGISTER comes: it goes on ringing, no second INVITE',
    setup: { held: { A: 'tls' } },
    events: ['A rings', 'A registers', 'A registers again'],
    rings: ['A stored'],
    ended: ['A device 20'],
    told: [],
  },
  {
    sentence: 'TLS alive, its REGISTER is faster than its 180: the INVITE under way gets its time and rings',
    setup: { held: { A: 'tls' } },
    events: ['A registers again', 'wait 100', 'A rings', 'wait 2000'],
    rings: ['A stored'],
    ended: ['A device 20'],
    told: [],
  },
  {
    sentence: 'TLS, the INVITE under way was swallowed: after 0.4 s a new one',
    setup: { held: { A: 'tls' } },
    events: ['A registers again', 'wait 399'],
    rings: ['A stored'],
    told: [],
  },
  {
    sentence: '… and not earlier than that',
    setup: { held: { A: 'tls' } },
    events: ['A registers again', 'wait 400'],
    rings: ['A stored', 'A device'],
    ended: ['A stored 44'],
    told: [],
  },

  // Grace: the INVITE to a dead UDP contact is sent again after 0.5, 1.5, 3.5, 7.5 s.
  {
    sentence: 'UDP dialled, same URI 0.1 s later: waits for the next transmission at 0.5 s',
    setup: { held: { A: 'udp old' } },
    events: ['A guard', 'wait 100', 'A registers again', 'wait 400', 'A rings', 'wait 9000'],
    rings: [],
    ended: ['A device 20'],
    told: [],
  },
  {
    sentence: 'UDP dialled, same URI 0.6 s later: waits for the one at 1.5 s',
    setup: { held: { A: 'udp old' } },
    events: ['A guard', 'wait 600', 'A registers again', 'wait 1199'],
    rings: [],
    told: [],
  },
  {
    sentence: '… which did not come: after 1.8 s a new INVITE',
    setup: { held: { A: 'udp old' } },
    events: ['A guard', 'wait 600', 'A registers again', 'wait 1200'],
    rings: ['A device'],
    ended: ['A stored 44'],
    told: [],
  },
  {
    sentence: 'UDP dialled, same URI 1.6 s later: the next one is 1.9 s away, too long: rung at once',
    setup: { held: { A: 'udp old' } },
    events: ['A guard', 'wait 1600', 'A registers again'],
    rings: ['A device'],
    ended: ['A stored 44'],
    told: [],
  },
  {
    sentence: 'UDP dialled, same URI 2.4 s later: the one at 3.5 s is near enough',
    setup: { held: { A: 'udp old' } },
    events: ['A guard', 'wait 2400', 'A registers again', 'wait 1100', 'A rings'],
    rings: [],
    ended: ['A device 20'],
    told: [],
  },
  {
    sentence: 'UDP dialled, another URI: nothing to wait for',
    setup: { held: { A: 'udp old' } },
    events: ['A guard', 'wait 100', 'A registers'],
    rings: ['A device'],
    ended: ['A stored 44'],
    told: [],
  },
  {
    sentence: 'UDP of a live phone whose push arrives nowhere: the guard rings it, its other leg ends with its 180',
    setup: { held: { A: 'udp old' } },
    events: ['A push accepted', 'A guard', 'A rings', 'A answers'],
    rings: [],
    ended: ['A device 20'],
    told: [],
    outcome: 'answered',
  },

  // The push fails.
  {
    sentence: 'a dead token and no contact: the ring time is the caller’s, the leg waits to its end',
    setup: {},
    events: ['A push dead', 'wait 20000'],
    rings: [],
    ended: [],
    told: [],
    statuses: ['NOBODY'],
  },
  {
    sentence: 'a dead token, and its app is opened by hand a moment later: the REGISTER rings it',
    setup: {},
    events: ['A push dead', 'wait 2000', ...awake, 'A answers'],
    rings: ['A device'],
    ended: [],
    told: [],
    outcome: 'answered',
  },
  {
    sentence: 'a failed push and no contact: the same; the word is sent, for a push that may have arrived',
    setup: {},
    events: ['A push failed', 'wait 20000', 'time up'],
    rings: [],
    ended: [],
    told: ['A gave-up'],
    outcome: 'gave-up',
  },
  {
    sentence: 'a dead token and an old UDP contact: rung at once',
    setup: { held: { A: 'udp old' } },
    events: ['A push dead'],
    rings: ['A stored'],
    told: [],
  },
  {
    sentence: 'a failed push and an old UDP contact: rung at once',
    setup: { held: { A: 'udp old' } },
    events: ['A push failed'],
    rings: ['A stored'],
    told: [],
  },
  {
    sentence: 'a push that is tried again and an old UDP contact: rung at once, the other leg still waits',
    setup: { held: { A: 'udp old' } },
    events: ['A push delayed', 'A push accepted', 'wait 5000', 'A registers'],
    rings: ['A stored', 'A device'],
    ended: ['A stored 44'],
    told: [],
  },
  {
    sentence: 'a push that fails before the PBX said what it holds: rung when it does',
    setup: { held: { A: 'udp old' } },
    events: ['A push failed', 'pbx answers'],
    rings: ['A stored'],
    told: [],
  },
  {
    sentence: 'a push that is delayed before the PBX said what it holds: rung when it does',
    setup: { held: { A: 'udp old' } },
    events: ['A push delayed', 'pbx answers'],
    rings: ['A stored'],
    told: [],
  },
  {
    sentence: 'a dead token and a dead stored contact: its leg waits on, and a REGISTER rings it',
    setup: { held: { A: 'tls' } },
    events: ['A push dead', 'A says 34', 'A registers'],
    rings: ['A stored', 'A device'],
    ended: [],
    told: [],
  },
  {
    sentence: 'a dead stored contact and then a dead token: the same',
    setup: { held: { A: 'tls' } },
    events: ['A says 34', 'A push dead', 'A registers'],
    rings: ['A stored', 'A device'],
    ended: [],
    told: [],
  },
  {
    sentence: 'a dead stored contact, the push accepted: the phone is waited for',
    setup: { held: { A: 'tls' } },
    events: ['A push accepted', 'A says 34'],
    rings: ['A stored'],
    ended: [],
    told: [],
  },
  {
    sentence: 'a dead token and a contact that cannot be dialled: nobody rings that, a REGISTER rings',
    setup: { held: { A: 'udp that cannot be dialled' } },
    events: ['A push dead', 'A registers'],
    rings: ['A device'],
    ended: [],
    told: [],
  },
  {
    sentence: 'a verdict comes after the phone: it rings on',
    setup: {},
    events: [...awake, 'A push dead', 'A answers'],
    rings: ['A device'],
    ended: [],
    told: [],
    outcome: 'answered',
  },
  {
    sentence: 'one dead token of two: the other phone is waited for',
    setup: two,
    events: ['A push dead', 'B registers', 'B rings', 'B answers'],
    rings: ['B device'],
    ended: [],
    told: [],
    outcome: 'answered',
  },

  // Somebody says no.
  ...[17, 21, 19].flatMap((cause): Row[] => [
    {
      sentence: `the woken phone declines with cause ${cause} without ringing: over, and it knows`,
      setup: {},
      events: ['A registers', `A says ${cause}`],
      rings: ['A device'],
      ended: [],
      told: [],
      outcome: 'gave-up',
    },
    {
      sentence: `the woken phone rings and declines with cause ${cause}: over, and it knows`,
      setup: {},
      events: [...awake, `A says ${cause}`],
      rings: ['A device'],
      ended: [],
      told: [],
      outcome: 'gave-up',
    },
    {
      sentence: `declined with cause ${cause} at the stored contact: the waiting leg passes it on`,
      setup: { held: { A: 'tls' } },
      events: [`A says ${cause}`],
      rings: ['A stored'],
      ended: [`A device ${cause}`],
      told: [],
      outcome: 'gave-up',
    },
    {
      sentence: `rings at the stored contact and declines with cause ${cause}: over`,
      setup: { held: { A: 'tls' } },
      events: ['A rings', `A says ${cause}`],
      rings: ['A stored'],
      ended: ['A device 20'],
      told: [],
      outcome: 'gave-up',
    },
    {
      sentence: `one of two declines with cause ${cause}: the other is waited for and told at the end`,
      setup: two,
      events: [...awake, `A says ${cause}`, 'caller cancels'],
      rings: ['A device'],
      ended: [],
      told: ['B cancelled'],
      outcome: 'cancelled',
    },
  ]),
  {
    sentence: '480 from an edge proxy is its word on a phone that sleeps behind it: the phone is waited for',
    setup: { held: { A: 'udp behind an edge' } },
    events: ['A guard', 'A says 19'],
    rings: [],
    ended: [],
    told: [],
  },
  {
    sentence: '486 from behind an edge proxy is the phone',
    setup: { held: { A: 'udp behind an edge' } },
    events: ['A guard', 'A says 17'],
    rings: [],
    ended: ['A device 17'],
    told: [],
  },
  {
    sentence: 'the woken phone answers 487 by itself (cause 127): nobody else stops',
    setup: two,
    events: [...awake, 'A says 127', 'B registers', 'B rings', 'B answers'],
    rings: ['A device', 'B device'],
    told: [],
    outcome: 'answered',
  },
  {
    sentence: 'the woken phone is unreachable again (cause 18): told at the end',
    setup: two,
    events: ['A registers', 'A says 18', 'caller cancels'],
    rings: ['A device'],
    told: ['A cancelled', 'B cancelled'],
  },

  {
    sentence: 'declined at the stored contact before the other leg is there: that one passes it on when it comes',
    setup: { held: { A: 'tls' }, late: true },
    events: ['A says 17', 'A arrives'],
    rings: ['A stored'],
    ended: ['A device 17'],
    told: [],
    outcome: 'gave-up',
  },
  {
    sentence: 'rings at the stored contact before the other leg is there: that one ends when it comes',
    setup: { held: { A: 'tls' }, late: true },
    events: ['A rings', 'A arrives', 'A registers', 'A answers'],
    rings: ['A stored'],
    ended: ['A device 20'],
    told: [],
    outcome: 'answered',
  },
  {
    sentence:
      'rings at the stored contact on Asterisk 16: its word for the cause we gave the other leg is no answer of the phone',
    setup: { held: { A: 'tls' }, words: true },
    events: ['A rings', 'A registers', 'A answers'],
    rings: ['A stored'],
    ended: ['A device 20'],
    told: [],
    outcome: 'answered',
  },

  // Closing words.
  {
    sentence: 'a stored contact that does not answer may be dead: its device is told by push',
    setup: { held: { A: 'tls' } },
    events: ['caller cancels'],
    rings: ['A stored'],
    told: ['A cancelled'],
    outcome: 'cancelled',
  },
  {
    sentence: 'a phone that rings at its stored contact hears the CANCEL',
    setup: { held: { A: 'tls' } },
    events: ['A rings', 'caller cancels'],
    rings: ['A stored'],
    told: [],
    outcome: 'cancelled',
  },
  {
    sentence: 'an INVITE under way to a contact of a moment ago: the CANCEL tells it',
    setup: {},
    events: ['A registers', 'caller cancels'],
    rings: ['A device'],
    told: [],
    outcome: 'cancelled',
  },
  {
    sentence: 'a desk phone on the same account answers: the mobile is told elsewhere',
    setup: { desk: true },
    events: ['desk answers'],
    rings: [],
    told: ['A elsewhere'],
  },
  {
    sentence: 'cancelled before the PBX said what it holds: told, and nothing is composed any more',
    setup: two,
    events: ['caller cancels', 'pbx answers'],
    rings: [],
    told: ['A cancelled', 'B cancelled'],
  },
  {
    sentence:
      'cancelled while what to ring is on its way: the cause says nothing, no leg has come, so it is the caller',
    setup: { devices: 2, late: true },
    events: ['wake leg ends'],
    rings: [],
    told: ['A cancelled', 'B cancelled'],
    outcome: 'cancelled',
  },
  {
    sentence: 'the same cause after the legs have come: nobody came in time',
    setup: two,
    events: ['wake leg ends'],
    rings: [],
    told: ['A gave-up', 'B gave-up'],
    outcome: 'gave-up',
  },
  {
    sentence: 'a phone that registers long after the end is not rung',
    setup: two,
    events: ['desk answers', 'wait 10001', ...awake, 'B push dead', 'wait 60000'],
    rings: [],
    told: ['A elsewhere', 'B elsewhere'],
    shown: [],
  },

  // A phone that comes too late.
  ...(['desk answers', 'caller cancels', 'time up'] as const).map(
    (end): Row => ({
      sentence: `${end}, then the phone registers three times: it is shown once that the call is over`,
      setup: {},
      events: [end, 'wait 9000', 'A registers', 'A registers', 'A registers again'],
      rings: [],
      told: [`A ${WORD_OF[end]}`],
      shown: [WORD_OF[end]],
    }),
  ),
  {
    sentence: 'ten seconds after the end is in time',
    setup: {},
    events: ['caller cancels', 'wait 10000', 'A registers'],
    rings: [],
    told: ['A cancelled'],
    shown: ['cancelled'],
  },
  {
    sentence: 'not where the policy does not want it',
    setup: { policy: { showEndedMs: 0 } },
    events: ['caller cancels', 'wait 1', 'A registers'],
    rings: [],
    told: ['A cancelled'],
    shown: [],
  },
  {
    sentence: 'a phone that rang knows; when it registers again it is shown nothing',
    setup: two,
    events: [...awake, 'caller cancels', 'A registers', 'B registers'],
    rings: ['A device'],
    told: ['B cancelled'],
    shown: ['cancelled'],
  },
  {
    sentence: 'one of two answers, the other comes late: answered elsewhere',
    setup: two,
    events: [...awake, 'A answers', 'B registers'],
    rings: ['A device'],
    told: ['B elsewhere'],
    shown: ['elsewhere'],
  },

  // Pushed once more.
  {
    sentence: 'a phone that has not registered after the time of the policy is pushed once more, and only once',
    setup: { policy: { retryVoipAfterMs: 6_000 } },
    events: ['A push accepted', 'wait 6000', 'A push accepted', 'wait 20000', 'time up'],
    pushed: ['A', 'A'],
    rings: [],
    told: ['A gave-up'],
  },
  {
    sentence: '… not a moment earlier',
    setup: { policy: { retryVoipAfterMs: 6_000 } },
    events: ['A push accepted', 'wait 5999'],
    pushed: ['A'],
    rings: [],
    told: [],
  },
  {
    sentence: 'a VoIP push is not repeated by default: each must become a call on the screen',
    setup: {},
    events: ['A push accepted', 'wait 40000'],
    pushed: ['A'],
    rings: [],
    told: [],
  },
  {
    sentence: 'who has registered is not pushed again',
    setup: { policy: { retryVoipAfterMs: 6_000 } },
    events: ['A push accepted', 'A registers', 'wait 30000'],
    pushed: ['A'],
    rings: ['A device'],
    told: [],
  },
  {
    sentence: 'with less than five seconds left nobody is pushed again',
    setup: { policy: { retryVoipAfterMs: 41_000 } },
    events: ['A push accepted', 'wait 44000'],
    pushed: ['A'],
    rings: [],
    told: [],
  },
  {
    sentence: 'while the link is away nobody is pushed again: whether the call still waits is not known',
    setup: { policy: { retryVoipAfterMs: 6_000 } },
    events: ['A push accepted', 'link lost', 'wait 20000'],
    pushed: ['A'],
    rings: [],
    told: [],
  },
  {
    sentence: '… and within a second after it is back, the push goes out',
    setup: { policy: { retryVoipAfterMs: 6_000 } },
    events: ['A push accepted', 'link lost', 'wait 7500', 'link back', 'wait 1000'],
    pushed: ['A', 'A'],
    rings: [],
    told: [],
  },
  {
    sentence: '… unless less than five seconds are left by then',
    setup: { policy: { retryVoipAfterMs: 6_000 } },
    events: ['A push accepted', 'link lost', 'wait 41000', 'link back', 'wait 3000'],
    pushed: ['A'],
    rings: [],
    told: [],
  },
  {
    sentence: 'the second push finds the token dead: its leg waits on, and a REGISTER rings it',
    setup: { policy: { retryVoipAfterMs: 6_000 } },
    events: ['A push accepted', 'wait 6000', 'A push dead', 'A registers'],
    pushed: ['A', 'A'],
    rings: ['A device'],
    told: [],
    ended: [],
  },

  // The next round of a queue.
  {
    sentence: 'awake since the round before: rung at its contact, not pushed',
    setup: { held: { A: 'udp old' }, awake: ['A'] },
    events: ['A rings', 'A answers'],
    pushed: [],
    rings: ['A stored'],
    told: [],
    outcome: 'answered',
  },
  {
    sentence: 'awake since the round before, its connection gone: pushed after all',
    setup: { awake: ['A'] },
    events: ['A registers', 'A rings', 'A answers'],
    pushed: ['A'],
    rings: ['A device'],
    told: [],
  },
  {
    sentence: 'awake since the round before, its contact does not answer: pushed after all, and told at the end',
    setup: { held: { A: 'tls' }, awake: ['A'] },
    events: ['A says 34', 'time up'],
    pushed: ['A'],
    rings: ['A stored'],
    told: ['A gave-up'],
  },
  {
    sentence: 'awake since the round before and never pushed: no closing word, it hears the CANCEL',
    setup: { held: { A: 'tls' }, awake: ['A'] },
    events: ['caller cancels'],
    pushed: [],
    rings: ['A stored'],
    told: [],
  },

  // Declined for all.
  {
    sentence: '603 at one device ends the call for all where the policy says so, and the others hear why',
    setup: { ...two, policy: { declineEverywhere: true } },
    events: [...awake, 'A says 21', 'B registers'],
    rings: ['A device'],
    ended: ['wake leg 21'],
    told: ['B declined'],
    outcome: 'declined',
    shown: ['declined'],
  },
  {
    sentence: '486 is busy at one device and ends nothing for the others, whatever the policy says',
    setup: { ...two, policy: { declineEverywhere: true } },
    events: [...awake, 'A says 17', 'B registers'],
    rings: ['A device', 'B device'],
    ended: [],
    told: [],
  },

  // After the end.
  {
    sentence:
      'pushed by a VoIP push, it comes after the end: it has shown the call already and is shown that it is over',
    setup: {},
    events: ['caller cancels', 'A registers'],
    rings: [],
    told: ['A cancelled'],
    shown: ['cancelled'],
  },
  {
    sentence:
      'pushed by an ordinary push, it comes after the end: an INVITE now would be a missed call, the closing word is enough',
    setup: { oneToken: true },
    events: ['caller cancels', 'A registers'],
    rings: [],
    told: ['A cancelled'],
    shown: [],
  },

  // What the dialplan is told.
  {
    sentence: 'status: nobody has come',
    setup: {},
    events: ['time up'],
    rings: [],
    told: ['A gave-up'],
    statuses: ['NOBODY'],
  },
  {
    sentence: 'status: a phone came, also when it does not answer',
    setup: {},
    events: [...awake, 'time up'],
    rings: ['A device'],
    told: [],
    statuses: ['NOBODY', 'WOKEN'],
  },
  {
    sentence: 'status: somebody else answered before a phone had come',
    setup: {},
    events: ['desk answers'],
    rings: [],
    told: ['A elsewhere'],
    statuses: ['NOBODY', 'ELSEWHERE'],
  },
  {
    sentence: 'status: the pbx did not say what it holds',
    setup: { unknown: true },
    events: [],
    rings: [],
    told: ['A gave-up'],
    statuses: ['NOBODY', 'UNAVAILABLE'],
  },
];

// ── The race table ───────────────────────────────────────────────────────────────────────────────────────────────────

/** What may come in any order while A and B sleep and a desk phone rings beside them. */
export const RACERS = [
  'A registers',
  'desk answers',
  'A answers',
  'caller cancels',
  'time up',
  'A push dead',
  'link lost',
];

/** All orders of `length` different events. */
export function orders(length: number): string[][] {
  if (length === 0) return [[]];
  return orders(length - 1).flatMap((head) => RACERS.filter((e) => !head.includes(e)).map((e) => [...head, e]));
}

export const isPossible = (order: readonly string[]): boolean => {
  const answers = order.indexOf('A answers');
  if (answers < 0) return true;
  // Nobody answers who does not ring.
  const before = order.slice(0, answers);
  const woken = before.indexOf('A registers');
  const over = before.some((e) => e === 'desk answers' || e === 'caller cancels' || e === 'time up');
  const lost = before.indexOf('link lost');
  return woken >= 0 && !over && !(lost >= 0 && lost < woken);
};

/** What must come of an order, found without the core: who ends the call, and what each phone knows of it. */
export function expectedOf(order: readonly string[]): {
  told: string[];
  rings: string[];
  outcome: string;
  shown: string[];
} {
  const ends: Record<string, string> = {
    'desk answers': 'elsewhere',
    'A answers': 'elsewhere',
    'caller cancels': 'cancelled',
    'time up': 'gave-up',
  };
  const endsAt = order.findIndex((e) => e in ends);
  const during = endsAt < 0 ? order : order.slice(0, endsAt);
  const ender = endsAt < 0 ? 'time up' : (order[endsAt] as string);
  const lostAt = order.indexOf('link lost');
  // How a call ended while nobody listened is not known: it is over, and that is what the phones are told.
  const unheard = endsAt >= 0 && lostAt >= 0 && lostAt < endsAt;
  const word = unheard ? 'gave-up' : (ends[ender] as string);
  const at = (e: string) => during.indexOf(e);
  // An end that nobody heard comes after all the rest.
  const pushDead = (unheard ? order : during).includes('A push dead');
  // While the link is lost a REGISTER waits for it; if the call goes on, it counts then.
  // A push that failed ends nothing: the ring time is the caller's.
  const woken = at('A registers') >= 0 && !(lostAt >= 0 && lostAt < order.indexOf('A registers') && endsAt >= 0);
  const aIsTold = !woken && !pushDead;
  // It came for a call that was over: at the PBX, or when we heard of it.
  const registersAt = order.indexOf('A registers');
  const tooLate = registersAt >= 0 && endsAt >= 0 && registersAt > (unheard ? lostAt : endsAt);
  return {
    shown: tooLate ? [word] : [],
    told: [...(aIsTold ? [`A ${word}`] : []), `B ${word}`],
    rings: woken ? ['A device'] : [],
    outcome: ender === 'A answers' && !unheard ? 'answered' : word,
  };
}

/** The order, then whatever is missing for the call to be over. */
export function playOrder(core: WakeCore, order: readonly string[]): Game {
  const events = order.flatMap((e) => (e === 'A registers' ? awake : [e]));
  const lost = order.includes('link lost');
  return play(core, { devices: 2 }, [...events, ...(lost ? ['link back', 'A rings'] : []), 'time up']);
}
