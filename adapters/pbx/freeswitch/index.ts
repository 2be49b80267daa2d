/**
 * FreeSWITCH by its event socket. Main-thread side: hands facts to those they concern, keeps the calls that wait, and asks the
 * worker for what the core decided. What FreeSWITCH holds of registrations is `registrations/link.ts`.
 */
import { randomUUID } from 'node:crypto';
import { type Aor, aorUser, parseAor } from '../../../plugin/core/aor.ts';
import { type Instant, SECOND } from '../../../plugin/core/time.ts';
import { type ClosingWord, parseRef, type WakeStatus } from '../../../plugin/core/wake.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import {
  type AskAnswer,
  type DeviceLeg,
  type HeldContact,
  type LegOutcome,
  LinkError,
  type PbxEvent,
  type PbxLink,
  type RingTarget,
} from '../../../plugin/ports/pbx-link.ts';
import { SupervisedWorker } from '../supervised-worker.ts';
import { CALL_DEADLINE, CALM_DEADLINE, LIST_DEADLINE } from './deadlines.ts';
import { lateText } from './dial.ts';
import { Instants } from './instants.ts';
import type { LinkData } from './link.ts';
import type { FreeswitchOptions } from './options.ts';
import { Contacts } from './registrations/link.ts';
import { dialText, dialVia } from './registrations/parse.ts';
import { ownAddresses } from './registrations/xml-status.ts';
import { type CallFact, callOf, type EventHeaders, type FsFact, translate } from './translate.ts';
import { type Adopted, STATUS, type Target, WaitingCall } from './waiting-call.ts';

export { check } from './check.ts';
export { optionsSchema } from './options.ts';

/** A phone that hears nothing of the call within this hears no more of it. */
const LATE_RINGS_SECONDS = 3;
const CALLERS_MAX = 1_000;
/** FreeSWITCH's own default for a bridge without call_timeout. */
const RING_SECONDS = 60;

export function create(options: FreeswitchOptions, deps: AdapterDeps): PbxLink {
  return new FreeswitchLink(options, deps);
}

class FreeswitchLink implements PbxLink {
  readonly name: string;
  readonly #o: FreeswitchOptions;
  readonly #deps: AdapterDeps;
  readonly #worker: SupervisedWorker;
  readonly #contacts: Contacts;
  readonly #time: Instants;
  /** By the caller's channel. */
  readonly #calls = new Map<string, WaitingCall>();
  readonly #callByRef = new Map<string, WaitingCall>();
  /** Channels of ours that were ended before they existed: FreeSWITCH makes them in the background. */
  readonly #doomed = new Map<string, string>();
  /** Channels of an earlier life of ours that still ring, by caller; and what they are called in this one. */
  readonly #adopted = new Map<string, Adopted[]>();
  readonly #adoptedRefs = new Map<string, string>();
  /** Calls that are shown to phones that came too late: the channel, and why it will end. */
  readonly #late = new Map<string, string>();
  /** Who called, by call id, for as long as a phone may come too late. */
  readonly #callers = new Map<string, CallFact['caller']>();
  #ownAddresses: ReadonlySet<string> = new Set();
  #emit: (event: PbxEvent) => void = () => undefined;
  #stopped = false;

  constructor(options: FreeswitchOptions, deps: AdapterDeps) {
    this.name = deps.name;
    this.#o = options;
    this.#deps = deps;
    const script = new URL(import.meta.url.endsWith('.ts') ? './link.ts' : './link.js', import.meta.url);
    const { host, port, password, node, profiles } = options;
    this.#worker = new SupervisedWorker({
      name: deps.name,
      script,
      workerData: {
        address: { host, port, password },
        node,
        profiles,
        // Read anew for each worker.
        get observing() {
          return deps.observing === true;
        },
      } satisfies LinkData,
      log: deps.log,
      onUp: () => void this.#linkUp(),
      onDown: (reason) => this.#say({ type: 'linkDown', pbx: this.name, reason }),
      onEvent: (event) => this.#fact(translate(event as EventHeaders)),
    });
    this.#time = new Instants(deps.clock);
    this.#contacts = new Contacts({
      pbx: deps.name,
      options,
      observing: () => this.#observing,
      clock: deps.clock,
      log: deps.log,
      call: (operation, args, deadlineMs) => this.#worker.call(operation, args, deadlineMs),
      say: (event) => this.#say(event),
    });
  }

  get ringsVia(): ReadonlySet<string> {
    return new Set(Object.keys(this.#o.via));
  }

  get #observing(): boolean {
    return this.#deps.observing === true;
  }

  modeChanged(): void {
    // A link that is down tells it when it is up.
    void this.#tellMode().catch(() => undefined);
  }

  #tellMode(): Promise<void> {
    return this.#worker.call('observe', { on: this.#observing }, CALM_DEADLINE);
  }

  get up(): boolean {
    return this.#worker.up;
  }

  async start(emit: (event: PbxEvent) => void): Promise<void> {
    this.#emit = emit;
    await this.#worker.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // Calls that come from now on take the plain path without waiting for the guard.
    if (this.up) await this.#worker.call('leave', {}, CALL_DEADLINE).catch(() => undefined);
    await this.#worker.stop();
    this.#calls.clear();
    this.#callByRef.clear();
  }

  #say(event: PbxEvent): void {
    if (!this.#stopped) this.#emit(event);
  }

  // ── Facts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #linkUp(): Promise<void> {
    this.#say({ type: 'linkUp', pbx: this.name });
    try {
      // It may have changed since the worker was started.
      await this.#tellMode();
      // Calls first: they wait; the resync can.
      if (!this.#observing) await this.#takeUp();
    } catch (error) {
      this.#deps.log.warn({ pbx: this.name, reason: String(error) }, 'could not look for calls that wait');
    }
    try {
      const infos = this.#o.profiles.map((profile) =>
        this.#worker.call<string>('profileInfo', { profile }, CALM_DEADLINE),
      );
      this.#ownAddresses = new Set((await Promise.all(infos)).flatMap(ownAddresses));
    } catch (error) {
      this.#deps.log.warn({ pbx: this.name, reason: String(error) }, 'could not ask for the addresses of the profiles');
    }
  }

  /** Calls we knew go on or have ended; calls that began while nobody listened are found by their placeholder. */
  async #takeUp(): Promise<void> {
    // Those of now: calls and channels that come while we ask are in no list.
    const known = [...this.#calls.values()].map((call) => ({ call, channels: call.channels }));
    const answer = await this.#worker.call<{ rows?: readonly ChannelRow[] }>('channels', {}, CALL_DEADLINE);
    const rows = answer.rows ?? [];
    const there = new Map(rows.map((r) => [r.uuid, { talks: r.callstate === 'ACTIVE' }]));
    for (const { call, channels } of known) call.resume(there, channels);
    if (!rows.some((r) => r.name === PLACEHOLDER)) return;
    const unanswered = rows.filter((r) => r.callstate !== 'ACTIVE').slice(0, TAKEN_UP_MAX);
    const dumps = await Promise.all(
      unanswered.map(({ uuid }) =>
        this.#worker.call<EventHeaders | undefined>('dump', { uuid }, CALL_DEADLINE).catch(() => undefined),
      ),
    );
    const waiting = new Set(dumps.map((d) => d?.variable_pushwake_hold).filter((uuid) => uuid !== undefined));
    for (const d of dumps) {
      const { variable_pushwake_ref: ref, 'Unique-ID': uuid } = d ?? {};
      const caller = d?.variable_pushwake_caller ?? d?.variable_originating_leg_uuid;
      if (!ref || !uuid || !caller || !waiting.has(caller) || this.#callByRef.has(ref) || !parseRef(ref)) continue;
      this.#adopted.set(caller, [...(this.#adopted.get(caller) ?? []), { ref, uuid }]);
    }
    for (const d of dumps) {
      if (!d?.['Unique-ID'] || !waiting.has(d['Unique-ID']) || this.#calls.has(d['Unique-ID'])) continue;
      const fact = callOf(d);
      if (fact) this.#call(fact, true);
    }
  }

  #fact(fact: FsFact | undefined): void {
    if (!fact || this.#stopped) return;
    switch (fact.fact) {
      case 'registered':
        return this.#contacts.registered(fact);
      case 'unregistered':
        return void this.#contacts.unregistered(fact);
      case 'expired':
        return this.#contacts.expired(fact);
      case 'call':
        // A lease of an earlier life of ours may still stand: its calls take the plain path.
        return this.#observing ? undefined : this.#call(fact, false);
      case 'seen':
        return this.#observing ? this.#seen(fact) : undefined;
      case 'legDials':
      case 'legRinging':
      case 'legAnswered':
      case 'legEnded': {
        const doomed = this.#doomed.get(fact.uuid);
        if (fact.fact === 'legEnded') this.#doomed.delete(fact.uuid);
        else if (doomed !== undefined) void this.#kill(fact.uuid, doomed);
        // A channel of an earlier life of ours carries that life's name.
        const ref = this.#adoptedRefs.get(fact.uuid) ?? fact.ref;
        const call = this.#callByRef.get(ref);
        if (fact.fact === 'legEnded') {
          this.#adoptedRefs.delete(fact.uuid);
          call?.legEnded(ref, fact.uuid, fact.cause);
        } else call?.[fact.fact](ref, fact.uuid);
        return;
      }
      case 'holdBegan':
        return this.#calls.get(fact.caller)?.holdBegan();
      case 'holdEnded':
        return this.#calls.get(fact.caller)?.holdEnded(fact.cause);
      case 'callerAnswered':
        return this.#calls.get(fact.caller)?.callerAnswered(fact.byPhone);
      case 'callerEnded':
        return this.#calls.get(fact.caller)?.callerEnded();
      case 'lateHeard': {
        const cause = this.#late.get(fact.uuid);
        if (cause !== undefined) void this.#kill(fact.uuid, cause);
        return;
      }
      case 'lateEnded':
        this.#doomed.delete(fact.uuid);
        this.#late.delete(fact.uuid);
        return;
      case 'jobFailed': {
        this.#late.delete(fact.job);
        for (const call of [...this.#calls.values()]) call.jobFailed(fact.job, fact.reason);
        return;
      }
      default:
        fact satisfies never;
    }
  }

  // ── Calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #call(fact: CallFact, takenUp: boolean): void {
    // Another node beside this PBX holds the lease: it was told as well.
    if (fact.node !== this.#o.node) return;
    const { caller } = fact;
    const aor = parseAor(fact.aor);
    if (!aor) {
      this.#deps.log.warn({ pbx: this.name }, NAMES_NO_ACCOUNT);
      return void this.#compose(caller.uuid, '').catch(() => undefined);
    }
    const { refused } = fact.exports;
    if (refused.length > 0) {
      this.#deps.log.warn(
        { pbx: this.name, aor, variables: refused },
        'exported variables cannot be given to a woken leg',
      );
    }
    const seenMs = this.#deps.clock.monotonicMs();
    const ringSeconds = fact.timeoutSeconds ?? RING_SECONDS;
    const startedAt = this.#time.at(fact.startedEpochMs);
    const call: WaitingCall = new WaitingCall({
      pbx: this.name,
      aor,
      caller,
      answered: fact.answered,
      exports: fact.exports,
      takenUp,
      startedAt,
      secondsLeft: () => Math.max(5, Math.ceil(ringSeconds - (this.#deps.clock.monotonicMs() - seenMs) / SECOND)),
      orders: {
        compose: (uuid, dial) => this.#compose(uuid, dial),
        originate: (uuid, command) => this.#worker.call('originate', { uuid, command }, CALL_DEADLINE),
        kill: (uuid, cause) => this.#kill(uuid, cause),
        set: (uuid, name, value) => void this.#set(uuid, name, value).catch(() => undefined),
        newUuid: randomUUID,
        later: (ms, what) => void this.#deps.clock.after(ms, what),
      },
      emit: (event) => {
        if (event.type === 'deviceLegArrived') this.#callByRef.set(event.leg.ref, call);
        this.#say(event);
      },
      onAdopted: (uuid, ref) => this.#adoptedRefs.set(uuid, ref),
      onOver: () => {
        // A phone that answers in the same moment is still to be heard.
        this.#deps.clock.after(SECOND, () => {
          for (const ref of call.refs) this.#callByRef.delete(ref);
        });
        if (this.#calls.get(caller.uuid) === call) this.#calls.delete(caller.uuid);
        this.#adopted.delete(caller.uuid);
      },
    });
    this.#calls.set(caller.uuid, call);
    this.#wakeLeg(fact, aor, startedAt);
  }

  /** It goes its way already: to be looked at, never to be touched. */
  #seen(fact: CallFact): void {
    const aor = parseAor(fact.aor);
    if (aor) this.#wakeLeg(fact, aor, this.#time.at(fact.startedEpochMs));
    else this.#deps.log.warn({ pbx: this.name }, NAMES_NO_ACCOUNT);
  }

  #wakeLeg({ caller, linkedId }: CallFact, aor: Aor, startedAt: Instant): void {
    const { name, number, hidden, uuid } = caller;
    const shown = hidden ? undefined : { ...(name ? { name } : {}), ...(number ? { number } : {}) };
    const leg = { legId: uuid, aor, linkedId, ...(shown && { caller: shown }) };
    this.#say({ type: 'wakeLegArrived', pbx: this.name, leg, startedAt });
  }

  #compose(caller: string, dial: string): Promise<LegOutcome> {
    return this.#worker.call<LegOutcome>('compose', { caller, dial }, CALL_DEADLINE);
  }

  #set(caller: string, name: string, value: string): Promise<void> {
    return this.#worker.call('setVariable', { caller, name, value }, CALL_DEADLINE);
  }

  #kill(uuid: string, cause: string): Promise<LegOutcome> {
    this.#doomed.set(uuid, cause);
    // Ends are told; one that was not (the link was away) must not stay for ever.
    if (this.#doomed.size > 10_000) this.#doomed.delete(this.#doomed.keys().next().value ?? '');
    return this.#worker.call<LegOutcome>('kill', { uuid, cause }, CALL_DEADLINE).catch((): LegOutcome => 'gone');
  }

  // ── Orders ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async compose(legId: string, callId: string, ring: readonly RingTarget[]): Promise<LegOutcome> {
    const call = this.#calls.get(legId);
    if (!call) return 'gone';
    if (ring.length === 0) return call.plain();
    this.#callers.set(callId, call.from);
    if (this.#callers.size > CALLERS_MAX) this.#callers.delete(this.#callers.keys().next().value ?? '');
    const targets = ring.flatMap((target): Target[] => {
      if (target.kind === 'device') return [target];
      const dial = this.#dial(target.contact);
      if (dial === undefined) return [];
      return target.kind === 'contact' ? [{ kind: 'contact', dial }] : [{ kind: 'stored', ref: target.ref, dial }];
    });
    return call.compose(callId, targets, this.#adopted.get(legId));
  }

  async ring(leg: DeviceLeg, contact?: HeldContact): Promise<LegOutcome> {
    const call = this.#callByRef.get(leg.ref);
    if (!call) return 'gone';
    if (leg.kind === 'stored' || !contact) return call.ring(leg.ref);
    const dial = this.#dial(contact);
    return dial === undefined ? call.giveUp(leg.ref, 20) : call.ring(leg.ref, dial);
  }

  async giveUp(legId: string, cause: number): Promise<LegOutcome> {
    return this.#callByRef.get(legId)?.giveUp(legId, cause) ?? 'gone';
  }

  async tellStatus(legId: string, status: WakeStatus): Promise<void> {
    const call = this.#calls.get(legId) ?? this.#callByRef.get(legId);
    if (call) call.tellStatus(status);
    // A wake leg is the caller's channel, which goes on after we have let go of it.
    else if (!this.#observing && parseRef(legId) === undefined) await this.#set(legId, STATUS, status);
  }

  async showEnded(contact: HeldContact, callId: string, word: ClosingWord): Promise<void> {
    const dial = this.#dial(contact);
    if (dial === undefined) return;
    const uuid = randomUUID();
    const caller = this.#callers.get(callId) ?? { number: '', name: '', hidden: true };
    const command = lateText({ aor: contact.aor, callId, uuid, dial, caller, timeoutSeconds: LATE_RINGS_SECONDS });
    this.#late.set(
      uuid,
      word === 'elsewhere' ? 'LOSE_RACE' : word === 'cancelled' ? 'ORIGINATOR_CANCEL' : 'NORMAL_CLEARING',
    );
    await this.#worker.call('originate', { uuid, command }, CALL_DEADLINE);
  }

  /** Undefined, and a line in the log, for a contact that must not be dialled. */
  #dial(contact: HeldContact): string | undefined {
    const held = this.#contacts.heldOf(contact);
    const dial = held
      ? dialText(held.row.profile, held.stored, this.#ownAddresses)
      : dialVia(this.#o.via[contact.pbx], aorUser(contact.aor));
    if (dial.ok) return dial.text;
    this.#deps.log.warn(
      { pbx: this.name, aor: contact.aor, reason: dial.reason },
      'a contact is not dialled: it could change the dial string',
    );
    return undefined;
  }

  ask(aor: Aor): Promise<AskAnswer> {
    return this.#contacts.ask(aor);
  }

  list(): AsyncIterable<HeldContact> {
    return this.#contacts.list();
  }

  removeContact(contact: Pick<HeldContact, 'aor' | 'uri'>): Promise<'gone'> {
    return this.#contacts.remove(contact);
  }

  watch(): void {
    // Every REGISTER is told.
  }

  async setReachable(aor: Aor, reachable: boolean): Promise<void> {
    if (!this.up) throw new LinkError(`link ${this.name} is down`);
    await this.#worker.call('mark', { aor, on: reachable }, LIST_DEADLINE);
  }
}

const NAMES_NO_ACCOUNT = 'the dialplan names no account: expected user@domain';

interface ChannelRow {
  readonly uuid: string;
  readonly name: string;
  readonly callstate: string;
}

const PLACEHOLDER = 'null/pushwake';
/** Channels looked at one by one when the link comes up: more than these is no pushwake's business but a busy PBX's. */
const TAKEN_UP_MAX = 500;
