/**
 * A phone with a softphone app, and the person who has it: sleeps most of the time, registers when it is opened or pushed, moves, changes
 * its tokens, is switched off, is given away without a word.
 */
import type { Aor } from '../../plugin/core/aor.ts';
import type { Target, Targets } from '../../plugin/core/binding.ts';
import { DAY, type DurationMs, HOUR, MINUTE, SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { PushRequest } from '../../plugin/ports/push-provider.ts';
import type { Call, Leg } from './call.ts';
import type { Chance } from './chance.ts';
import type { DevicesApi } from './devices-api.ts';
import type { Pbx } from './pbx.ts';
import type { PushService, TokenTruth } from './push-service.ts';
import type { WorldTime } from './time.ts';

/** Part of every token: no log line and no label may hold it. */
export const TOKEN_MARK = 'c0ffee5ec7e7';
const APP = 'TEAM123456.com.example.phone';
/** How often an app tries to report when nobody takes it. */
const REPORTS_TRIED = 10;
/** The person's habits: opens the app daily, rarely, never; or an app that stays connected. */
export type Habit = 'daily' | 'weekly' | 'never' | 'always';

const OPENS_EVERY: Readonly<Record<Habit, DurationMs>> = {
  daily: 20 * HOUR,
  weekly: 6 * DAY,
  never: 40 * DAY,
  always: 1 * DAY,
};

export interface PhoneOptions {
  readonly name: string;
  readonly platform: 'ios' | 'android';
  /** An app that gives only a VoIP token. */
  readonly voipOnly: boolean;
  readonly habit: Habit;
  readonly transport: 'tls' | 'udp';
  /** It says nothing of push in its Contact, and reports its tokens over HTTP. */
  readonly reports: boolean;
  readonly accounts: readonly Aor[];
  readonly pbx: Pbx;
  readonly service: PushService;
  readonly api: DevicesApi;
  readonly tokens: Map<string, TokenTruth>;
  readonly time: WorldTime;
  readonly chance: Chance;
  readonly tell: (what: string) => void;
}

export class Phone {
  readonly o: PhoneOptions;
  voip: string | undefined;
  other: string | undefined;
  instance: string;
  /** Goes up with each change of its tokens. */
  install = 0;
  isInstalled = true;
  isOn = true;
  /** True time until which it does nothing on a push, however loud. */
  deafUntilMs = 0;
  /** Background pushes wait until then. */
  dozesUntilMs = 0;
  isLoggedOut = false;
  /** True time at which its person last logged out. */
  loggedOutMs = Number.NEGATIVE_INFINITY;
  /** Its password is wrong: each REGISTER is refused. */
  isRefused = false;
  /** How often it fell asleep: over UDP it wakes at the address it had. */
  slept = 0;
  /** What it listens on, by account. Empty while it sleeps. */
  readonly listens = new Map<Aor, string>();
  /** True time of its last accepted REGISTER, by account. */
  readonly registeredMs = new Map<Aor, number>();
  /** True time at which a node last heard of it over HTTP: a report or a receipt. */
  readonly saidMs = new Map<Aor, number>();
  /** True time of its last report that a node began to work on, by account. */
  readonly reportedMs = new Map<Aor, number>();
  /** Which of its installs that report was of. */
  readonly reportedInstall = new Map<Aor, number>();
  /** True time at which it last took its account back over HTTP. */
  readonly withdrawnMs = new Map<Aor, number>();
  #port: number;
  #address: number;
  /** As it calls itself over HTTP. */
  #installId = '';
  /** Google's id of this install: its tokens begin with it. */
  #installation = '';
  #awakeUntilMs = 0;
  /** It has lost its connection and registers by no other before then. */
  #connectsUntilMs = 0;
  readonly #reactions = new Map<string, Reaction>();

  constructor(options: PhoneOptions) {
    this.o = options;
    this.#port = options.chance.int(20_000, 60_000);
    this.#address = options.chance.int(1, 250);
    this.instance = '';
    this.#install();
  }

  get name(): string {
    return this.o.name;
  }

  get isReachable(): boolean {
    return this.isOn && this.isInstalled;
  }

  get isAwake(): boolean {
    return this.listens.size > 0;
  }

  /** Lives its life: the app is opened now and then. */
  start(): void {
    this.o.time.after(this.o.chance.int(1 * SECOND, 2 * HOUR), () => this.open());
    this.#opensAgain();
  }

  #opensAgain(): void {
    const { time, chance, habit } = this.o;
    time.after(chance.wait(OPENS_EVERY[habit]), () => {
      this.open();
      this.#opensAgain();
    });
  }

  /** The person opens the app. */
  open(): void {
    if (this.o.habit === 'always') this.wake(1e15);
    else this.wake(this.o.chance.spread(20 * SECOND, 20 * MINUTE));
    if (this.o.reports && this.isReachable && !this.isLoggedOut) this.#reportAll();
  }

  // ── Over HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────

  #reportAll(): void {
    for (const aor of this.o.accounts) this.#report(aor, REPORTS_TRIED);
  }

  #report(aor: Aor, tries: number): void {
    const { api, time, tell, name } = this.o;
    const targets = this.#targets(aor);
    const installId = this.#installId;
    const { install } = this;
    api.send(
      (reports) => reports.report(aor, { installId }, targets),
      () => {
        tell(`${name} reports its tokens for ${aor}`);
        this.saidMs.set(aor, time.nowMs);
        this.reportedMs.set(aor, time.nowMs);
        this.reportedInstall.set(aor, install);
      },
      () => {
        if (tries <= 1) return;
        time.after(1 * MINUTE, () => {
          if (this.isReachable && !this.isLoggedOut && this.install === install) this.#report(aor, tries - 1);
        });
      },
    );
  }

  /** The person takes the account out of the app. */
  #withdraw(aor: Aor): void {
    const installId = this.#installId;
    this.o.api.send(
      (reports) => reports.withdraw(aor, { installId }, {}),
      () => {
        this.o.tell(`${this.name} takes ${aor} back over HTTP`);
        this.withdrawnMs.set(aor, this.o.time.nowMs);
      },
      () => undefined,
    );
  }

  #receipt(request: PushRequest): void {
    const aor = request.aor as Aor;
    const installId = this.#installId;
    const pushId = this.o.chance.happens(0.5) ? request.pushId : undefined;
    this.o.api.send(
      (reports) => reports.receipt(aor, { installId }, { pushId, priority: undefined, originalPriority: undefined }),
      () => this.saidMs.set(aor, this.o.time.nowMs),
      () => undefined,
    );
  }

  #targets(aor: Aor): Targets {
    const { service } = this.o;
    const of = (text: string): Target => ({
      provider: service.name,
      app: service.name === 'fcm' ? 'example-project' : service.name === 'webpush' ? 'push.example.net' : APP,
      ...(service.name === 'pnm' ? { selector: `SEL:${aor}` } : {}),
      token: new Token(text),
    });
    const { voip, other } = this;
    // One token for everything stands at both places.
    const call = voip ?? (service.name === 'webpush' ? undefined : other);
    return {
      ...(call === undefined ? {} : { call: of(call) }),
      ...(other === undefined ? {} : { other: of(other) }),
    };
  }

  /** Registers, and stays awake at least this long. */
  wake(forMs: DurationMs): void {
    if (!this.isReachable || this.isLoggedOut) return;
    const { time, chance, transport } = this.o;
    if (time.nowMs < this.#connectsUntilMs) {
      time.after(this.#connectsUntilMs - time.nowMs, () => this.wake(forMs));
      return;
    }
    const untilMs = time.nowMs + forMs;
    if (!this.isAwake && transport === 'tls') this.#port = chance.int(20_000, 60_000);
    this.#awakeUntilMs = Math.max(this.#awakeUntilMs, untilMs);
    this.registerAll();
    if (forMs < 1e14) time.after(forMs, () => this.#maySleep());
  }

  registerAll(how: 'whole' | 'voipOnly' = 'whole'): void {
    for (const aor of this.o.accounts) this.#register(aor, how);
  }

  #register(aor: Aor, how: 'whole' | 'voipOnly'): void {
    const { pbx, time, habit } = this.o;
    const uri = this.#uri(aor, how);
    const before = this.listens.get(aor);
    this.listens.set(aor, uri);
    if (pbx.register({ aor, uri, phone: this, keeps: habit === 'always' })) {
      this.registeredMs.set(aor, time.nowMs);
      // It refreshes what it told last, and nothing else.
      if (before !== undefined && before !== uri) pbx.movedAway(aor, before);
    } else if (before === undefined) this.listens.delete(aor);
    else this.listens.set(aor, before);
  }

  #maySleep(): void {
    if (!this.isAwake || this.o.time.nowMs < this.#awakeUntilMs) return;
    if ([...this.#reactions.values()].some((r) => r.isBusy)) {
      this.o.time.after(10 * SECOND, () => this.#maySleep());
      return;
    }
    this.sleep();
  }

  /** The system takes its sockets away. */
  sleep(): void {
    const { pbx } = this.o;
    for (const [aor, uri] of this.listens) pbx.lost(aor, uri, this);
    this.listens.clear();
    this.slept++;
    this.#awakeUntilMs = 0;
    for (const reaction of this.#reactions.values()) reaction.stop();
    this.#reactions.clear();
  }

  // ── What happens to it ───────────────────────────────────────────────────────────────────────────────────────────

  off(): void {
    this.isOn = false;
    this.sleep();
  }

  on(): void {
    if (this.isOn) return;
    this.isOn = true;
    if (!this.isInstalled) return;
    this.o.service.online(this);
    if (this.o.chance.happens(0.5) || this.o.habit === 'always') this.o.time.after(5 * SECOND, () => this.open());
  }

  /** The app is deleted, and nobody is told. */
  deleted(): void {
    this.sleep();
    this.isInstalled = false;
    this.#tokensDie();
  }

  reinstalled(): void {
    if (this.isInstalled) this.deleted();
    this.isInstalled = true;
    this.#install();
    if (this.isOn) this.open();
  }

  /** New tokens, as a system update brings them. */
  rotate(): void {
    if (!this.isInstalled) return;
    this.#tokensDie();
    this.#newTokens();
    if (!this.isAwake) return;
    this.registerAll();
    if (this.o.reports) this.#reportAll();
  }

  /** Another network: a new address, the old connection is never closed. `connectsMs`: how long it takes until it registers there. */
  moves(connectsMs: DurationMs = 0): void {
    this.#address = this.o.chance.int(1, 250);
    this.#port = this.o.chance.int(20_000, 60_000);
    if (!this.isAwake) return;
    for (const [aor, uri] of this.listens) this.o.pbx.movedAway(aor, uri);
    this.listens.clear();
    if (connectsMs === 0) return this.registerAll();
    this.#connectsUntilMs = this.o.time.nowMs + connectsMs;
    this.wake(30 * SECOND);
  }

  logOut(): void {
    for (const [aor, uri] of [...this.listens]) this.o.pbx.unregister(aor, uri, this);
    this.listens.clear();
    this.isLoggedOut = true;
    this.loggedOutMs = this.o.time.nowMs;
    if (this.o.reports && this.isReachable) for (const aor of this.o.accounts) this.#withdraw(aor);
  }

  /** Its password is no longer right. What it has registered stays until it expires. */
  refused(): void {
    this.isRefused = true;
    for (const [aor, uri] of this.listens) this.o.pbx.movedAway(aor, uri);
  }

  acceptedAgain(): void {
    this.isRefused = false;
    if (this.isAwake) this.registerAll();
    else if (this.o.habit === 'always') this.open();
  }

  logIn(): void {
    this.isLoggedOut = false;
    if (this.isReachable) this.open();
  }

  // ── Pushes ───────────────────────────────────────────────────────────────────────────────────────────────────────

  pushed(request: PushRequest, kind: TokenTruth['kind']): void {
    if (!this.isReachable || this.isLoggedOut) return;
    const { time, chance, platform } = this.o;
    const { nowMs } = time;
    if (this.o.reports && nowMs >= this.deafUntilMs && chance.happens(0.8)) this.#receipt(request);
    switch (request.purpose) {
      case 'call': {
        if (nowMs < this.deafUntilMs) return;
        const late = nowMs < this.dozesUntilMs && platform === 'android' ? chance.spread(1 * SECOND, 20 * SECOND) : 0;
        time.after(late + chance.spread(150, 4 * SECOND), () => this.wake(chance.int(20 * SECOND, 60 * SECOND)));
        return;
      }
      case 'refresh':
        if (nowMs < this.deafUntilMs || nowMs < this.dozesUntilMs || !chance.happens(kind === 'both' ? 0.6 : 0.4))
          return;
        time.after(chance.spread(1 * SECOND, 60 * SECOND), () => this.wake(15 * SECOND));
        return;
      case 'notice':
        // The person reads it, sometimes.
        if (chance.happens(0.3)) time.after(chance.spread(1 * MINUTE, 14 * HOUR), () => this.open());
        return;
      default:
        return;
    }
  }

  // ── Calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An INVITE arrives. False: nobody is there. */
  invited(call: Call, leg: Leg, uri: string): boolean {
    if (this.listens.get(call.aor) !== uri || !this.isOn) return false;
    const known = this.#reactions.get(call.id);
    const reaction = known ?? new Reaction(this, call);
    this.#reactions.set(call.id, reaction);
    reaction.rings(leg);
    return true;
  }

  uninvited(call: Call, leg: Leg): void {
    const reaction = this.#reactions.get(call.id);
    reaction?.ended(leg);
    if (reaction && !reaction.isBusy && call.isOver) this.#reactions.delete(call.id);
  }

  forget(call: Call): void {
    this.#reactions.delete(call.id);
  }

  /** INVITE and CANCEL at once, of a call that ended before it came. Nobody can answer that. */
  shownEnded(_callId: string): void {}

  /** Its other account, its tokens and its address as a Contact. */
  #uri(aor: Aor, how: 'whole' | 'voipOnly'): string {
    const { platform, transport, reports } = this.o;
    const user = aor.slice(0, aor.indexOf('@'));
    const head = `sip:${user}@192.0.2.${this.#address}:${this.#port};transport=${transport}`;
    if (reports) return head;
    if (platform === 'android') return `${head};pn-provider=fcm;pn-param=example-project;pn-prid=${this.other}`;
    const app = `pn-provider=apns;pn-param=${APP}.voip&remote`;
    const isWhole = how === 'whole' && this.other !== undefined;
    return `${head};${app};pn-prid=${this.voip}:voip&${isWhole ? `${this.other}:remote` : ''}`;
  }

  #install(): void {
    this.instance = `<urn:uuid:${this.o.chance.hex(4)}-${this.o.chance.hex(2)}-4000-8000-${this.o.chance.hex(6)}>`;
    this.#installation = `f${this.o.chance.hex(10)}A`;
    this.#installId = `install-${this.o.chance.hex(6)}`;
    this.#newTokens();
  }

  #newTokens(): void {
    const { platform, voipOnly, chance, tokens } = this.o;
    this.install++;
    const { install } = this;
    const add = (token: string, kind: TokenTruth['kind']) => {
      tokens.set(token, { token, phone: this, install, kind });
      return token;
    };
    if (this.o.service.name === 'webpush') {
      this.other = add(`https://push.example.net/${chance.hex(20)}${TOKEN_MARK}`, 'both');
      return;
    }
    if (platform === 'android') {
      this.other = add(`${this.#installation}:APA91b${chance.hex(20)}${TOKEN_MARK}`, 'both');
      return;
    }
    this.voip = add(`${chance.hex(26)}${TOKEN_MARK}`, 'voip');
    this.other = voipOnly ? undefined : add(`${chance.hex(26)}${TOKEN_MARK}`, 'other');
  }

  #tokensDie(): void {
    const { tokens, time, chance } = this.o;
    for (const token of [this.voip, this.other]) {
      const truth = token === undefined ? undefined : tokens.get(token);
      if (!truth || truth.deadSinceMs !== undefined) continue;
      truth.deadSinceMs = time.nowMs;
      // Services take pushes for days after the app is gone.
      truth.saysSoFromMs = time.nowMs + chance.spread(1 * SECOND, 4 * DAY);
    }
  }
}

/** What the person does when a call rings: decided once, however often the phone rings for it. */
class Reaction {
  readonly #phone: Phone;
  readonly #call: Call;
  readonly #legs = new Set<Leg>();
  readonly #word: 'answers' | 'declines' | 'ignores';
  readonly #afterMs: DurationMs;
  #acts: (() => void) | undefined;

  constructor(phone: Phone, call: Call) {
    this.#phone = phone;
    this.#call = call;
    const { chance } = phone.o;
    const drawn = chance.next();
    this.#word = drawn < 0.5 ? 'answers' : drawn < 0.6 ? 'declines' : 'ignores';
    this.#afterMs = chance.spread(1_500, 15 * SECOND);
  }

  get isBusy(): boolean {
    return this.#legs.size > 0;
  }

  rings(leg: Leg): void {
    const { time, chance } = this.#phone.o;
    this.#legs.add(leg);
    time.after(chance.int(15, 120), () => {
      if (!this.#legs.has(leg)) return;
      // What it answers at an address that it has left meanwhile reaches nobody.
      if (this.#phone.listens.get(this.#call.aor) !== leg.uri) return;
      this.#call.ringing(leg, this.#phone, this.#legs.size);
    });
    if (this.#word === 'ignores') return;
    this.#acts ??= time.after(this.#afterMs, () => {
      this.#acts = undefined;
      const [first] = [...this.#legs].filter((leg) => leg.state === 'ringing');
      if (!first) return;
      if (this.#word === 'answers') this.#call.answered(first);
      else for (const one of [...this.#legs]) this.#call.declined(one, chance.happens(0.5) ? 17 : 21);
    });
  }

  ended(leg: Leg): void {
    this.#legs.delete(leg);
  }

  stop(): void {
    this.#acts?.();
    const legs = [...this.#legs];
    this.#legs.clear();
    for (const leg of legs) this.#call.vanished(leg);
  }
}
