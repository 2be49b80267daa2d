/**
 * The calls of the stand-in: callers, the legs of a dial string, originates that intercept. Only as much of FreeSWITCH as the
 * dialplan of pushwake uses, in the order in which the real one told it.
 */
import { event } from './speech.ts';

export type Vars = Readonly<Record<string, string>>;

/** What a phone of the stand-in is handed. */
export interface StandInInvite {
  readonly uri: string;
  readonly vars: Vars;
  ring(): void;
  answer(): void;
  refuse(cause: string): void;
  /** Why the other side ended it, once it has. */
  readonly ended: Promise<string>;
}

export interface ChannelsIo {
  say(frame: Buffer): void;
  /** The phone at this contact; undefined: nobody there. */
  invite(profile: string, uri: string, invite: StandInInvite): boolean;
  /** What `user/<aor>` stands for. */
  contactsOf(aor: string): readonly string[];
  newUuid(): string;
}

interface Leg {
  readonly uuid: string;
  readonly vars: Vars;
  readonly isHold: boolean;
  answered: boolean;
  over: boolean;
  readonly told: (cause: string) => void;
}

interface Caller {
  readonly uuid: string;
  readonly vars: Record<string, string>;
  legs: Leg[];
  answered: boolean;
  over: boolean;
  breaks: () => void;
  done: (status: number) => void;
}

/** SIP answers of causes, as mod_sofia gives them. */
const STATUS: Readonly<Record<string, number>> = { USER_BUSY: 486, CALL_REJECTED: 603, ORIGINATOR_CANCEL: 487 };

export class Channels {
  readonly #io: ChannelsIo;
  readonly #callers = new Map<string, Caller>();
  readonly #legs = new Map<string, Leg>();
  /** Every dial string and originate that was carried out. */
  readonly dialled: string[] = [];

  constructor(io: ChannelsIo) {
    this.#io = io;
  }

  /** A caller comes; the dialplan of pushwake, with its guard. Resolves with what he hears at last. */
  call(
    aor: string,
    held: boolean,
    node: string,
    observed = false,
  ): { uuid: string; status: Promise<number>; cancel(): void; hangup(): void } {
    const uuid = this.#io.newUuid();
    let done: (status: number) => void = () => undefined;
    const status = new Promise<number>((resolve) => {
      done = resolve;
    });
    const vars: Record<string, string> = {
      pushwake_aor: aor,
      pushwake_node: node,
      pushwake_dial: `user/${aor}`,
      pushwake_status: held ? 'UNAVAILABLE' : 'NOBINDING',
    };
    const caller: Caller = { uuid, vars, legs: [], answered: false, over: false, breaks: () => undefined, done };
    this.#callers.set(uuid, caller);
    const told = (subclass: string) =>
      this.#io.say(
        event('CUSTOM pushwake::call', {
          ...this.#headers(uuid, vars),
          'Event-Subclass': subclass,
          'pushwake-aor': aor,
          'pushwake-node': node,
          'Answer-State': 'ringing',
          'Channel-Call-UUID': uuid,
        }),
      );
    void (async () => {
      if (observed) told('pushwake::seen');
      if (held) {
        const broken = new Promise<void>((resolve) => {
          caller.breaks = resolve;
        });
        const guard = setTimeout(caller.breaks, 1_500);
        vars.current_application = 'sleep';
        told('pushwake::call');
        await broken;
        clearTimeout(guard);
      }
      vars.current_application = 'bridge';
      if (!caller.over) this.#bridge(caller, caller.vars.pushwake_dial ?? '');
    })();
    return {
      uuid,
      status,
      cancel: () => this.#callerGone(caller, 'ORIGINATOR_CANCEL'),
      hangup: () => this.#callerGone(caller, 'NORMAL_CLEARING'),
    };
  }

  variable(uuid: string, name: string): string | undefined {
    return this.#callers.get(uuid)?.vars[name];
  }

  /** Answers false when there is no such channel. */
  setVariable(uuid: string, name: string, value: string): boolean {
    const caller = this.#callers.get(uuid);
    if (caller) caller.vars[name] = value;
    return caller !== undefined;
  }

  break(uuid: string): boolean {
    this.#callers.get(uuid)?.breaks();
    return this.#callers.has(uuid);
  }

  kill(uuid: string, cause: string): boolean {
    const leg = this.#legs.get(uuid);
    if (leg) leg.told(cause);
    return leg !== undefined;
  }

  originate(text: string): void {
    const [, vars = '', dial = '', target = ''] =
      /^\{(.*)\}([^\s{}]+) &(?:intercept\(([^)]+)\)|park\(\))$/.exec(text) ?? [];
    this.dialled.push(text);
    this.#leg(`[${vars}]${dial}`, {
      answered: (leg) => {
        const caller = this.#callers.get(target);
        if (!caller || caller.over || caller.answered) return leg.told('NORMAL_CLEARING');
        this.#answered(caller);
        for (const other of caller.legs) other.told(other.isHold ? 'ORIGINATOR_CANCEL' : 'PICKED_OFF');
        caller.legs = [leg];
      },
      ended: (leg, cause) => {
        if (this.#callers.get(target)?.legs.includes(leg)) this.#callerGone(this.#callers.get(target) as Caller, cause);
      },
    });
  }

  rows(): unknown[] {
    const legs = [...this.#legs.values()].map((l) => ({
      uuid: l.uuid,
      name: l.isHold ? 'null/pushwake' : 'sofia/internal/phone',
      callstate: l.answered ? 'ACTIVE' : 'RINGING',
    }));
    const callers = [...this.#callers.values()].map((c) => ({
      uuid: c.uuid,
      name: 'sofia/internal/caller',
      callstate: c.answered ? 'ACTIVE' : 'RINGING',
    }));
    return [...callers, ...legs];
  }

  dump(uuid: string): Record<string, string | undefined> | undefined {
    const found = this.#callers.get(uuid) ?? this.#legs.get(uuid);
    return found && { ...this.#headers(uuid, found.vars), 'Answer-State': 'ringing' };
  }

  #headers(uuid: string, vars: Vars): Record<string, string | undefined> {
    const variables = Object.entries(vars).map(([name, value]) => [`variable_${name}`, value]);
    const now = { 'Caller-Channel-Created-Time': String(Date.now() * 1_000) };
    return { 'Unique-ID': uuid, ...now, ...Object.fromEntries(variables) };
  }

  #say(kind: string, uuid: string, vars: Vars, changes: Record<string, string> = {}): void {
    this.#io.say(event(kind, { ...this.#headers(uuid, vars), ...changes }));
  }

  #bridge(caller: Caller, dial: string): void {
    this.dialled.push(dial);
    const parts = split(dial.replace(/^(?:\{[^}]*\})+/, '')).flatMap((part) => {
      const aor = /^user\/(.*)$/.exec(part)?.[1];
      return aor === undefined ? [part] : this.#io.contactsOf(aor).map((uri) => `sofia/internal/${uri}`);
    });
    let last = 'USER_NOT_REGISTERED';
    for (const part of parts) {
      this.#leg(
        part,
        {
          answered: (leg) => {
            for (const other of caller.legs) if (other !== leg) other.told('LOSE_RACE');
            this.#answered(caller);
            caller.legs = [leg];
          },
          ended: (leg, cause) => {
            last = cause;
            if (caller.legs.includes(leg) && caller.answered) return this.#callerGone(caller, cause);
            caller.legs = caller.legs.filter((l) => l !== leg);
            if (caller.legs.length === 0 && !caller.answered && !caller.over) this.#callerGone(caller, last);
          },
        },
        (leg) => caller.legs.push(leg),
      );
    }
    if (caller.legs.length === 0 && !caller.over) this.#callerGone(caller, last);
  }

  #leg(
    text: string,
    on: { answered(leg: Leg): void; ended(leg: Leg, cause: string): void },
    known: (leg: Leg) => void = () => undefined,
  ): void {
    const [, list = '', dial = ''] = /^(?:\[(.*?)\])?(.*)$/.exec(text) ?? [];
    const vars = Object.fromEntries(list.split(',').map((pair) => pair.split(/=(.*)/).slice(0, 2))) as Vars;
    const uuid = vars.origination_uuid ?? this.#io.newUuid();
    let onEnd: (cause: string) => void = () => undefined;
    const ended = new Promise<string>((resolve) => {
      onEnd = resolve;
    });
    const leg: Leg = {
      uuid,
      vars,
      isHold: dial.startsWith('null/'),
      answered: false,
      over: false,
      told: (cause) => {
        if (leg.over) return;
        leg.over = true;
        this.#legs.delete(uuid);
        onEnd(cause);
        this.#say('CHANNEL_HANGUP', uuid, vars, { 'Hangup-Cause': cause });
        on.ended(leg, cause);
      },
    };
    if (dial.startsWith('error/')) return;
    this.#legs.set(uuid, leg);
    known(leg);
    const start = () => {
      if (leg.over) return;
      this.#say('CHANNEL_ORIGINATE', uuid, vars);
      if (leg.isHold) return;
      const [, profile = '', uri = ''] = /^sofia\/([^/]+)\/(.*)$/.exec(dial) ?? [];
      const invite: StandInInvite = {
        uri,
        vars,
        ended,
        ring: () => this.#say('CHANNEL_PROGRESS', uuid, vars),
        answer: () => {
          if (leg.over) return;
          leg.answered = true;
          this.#say('CHANNEL_ANSWER', uuid, vars);
          on.answered(leg);
        },
        refuse: (cause) => leg.told(cause),
      };
      if (!this.#io.invite(profile, uri, invite)) leg.told('NORMAL_TEMPORARY_FAILURE');
    };
    const delay = Number(vars.leg_delay_start ?? 0);
    if (delay > 0) setTimeout(start, delay * 1_000).unref();
    else start();
  }

  #answered(caller: Caller): void {
    if (caller.answered) return;
    caller.answered = true;
    this.#say('CHANNEL_ANSWER', caller.uuid, caller.vars);
    caller.done(200);
  }

  #callerGone(caller: Caller, cause: string): void {
    if (caller.over) return;
    caller.over = true;
    this.#callers.delete(caller.uuid);
    this.#say('CHANNEL_HANGUP', caller.uuid, caller.vars, { 'Hangup-Cause': cause });
    const legs = caller.legs;
    caller.legs = [];
    for (const leg of legs) leg.told(caller.answered ? 'NORMAL_CLEARING' : 'ORIGINATOR_CANCEL');
    caller.done(STATUS[cause] ?? 480);
  }
}

/** At commas outside brackets. */
function split(dial: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const c of dial) {
    if (c === '[') depth++;
    if (c === ']') depth--;
    if (c === ',' && depth === 0) {
      parts.push(part);
      part = '';
    } else part += c;
  }
  return part === '' ? parts : [...parts, part];
}
