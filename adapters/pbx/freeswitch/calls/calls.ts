/** The calls that wait at one FreeSWITCH: which there are, what is told of each, and what the core orders for them. */
import { randomUUID } from 'node:crypto';
import { type Aor, parseAor } from '../../../../plugin/core/aor.ts';
import { libraryOf } from '../../../../plugin/core/push-params.ts';
import { SECOND } from '../../../../plugin/core/time.ts';
import { type ClosingWord, parseRef, type WakeStatus } from '../../../../plugin/core/wake.ts';
import type { Logger } from '../../../../plugin/ports/adapter.ts';
import type { Clock } from '../../../../plugin/ports/clock.ts';
import type { DeviceLeg, HeldContact, LegOutcome, PbxEvent, RingTarget } from '../../../../plugin/ports/pbx-link.ts';
import { CALL_DEADLINE } from '../deadlines.ts';
import type { CallFact, ChannelFact } from '../facts.ts';
import type { Instants } from '../instants.ts';
import type { Ask } from '../link.ts';
import { callOf, type EventHeaders } from '../translate.ts';
import { CallerOf } from './caller.ts';
import { Channels } from './channels.ts';
import type { ContactDial } from './contact-dial.ts';
import { isEnterprise, isForked, ofPhones, type Said, type SaidOfPhones, writtenFor } from './dial.ts';
import { ringsPhones, usersIn } from './dial-string.ts';
import { LateCalls } from './late.ts';
import type { Adopted, Target } from './leg.ts';
import { STATUS } from './orders.ts';
import { WaitingCall } from './waiting-call.ts';

/** FreeSWITCH's own default for a bridge without call_timeout. */
const RING_SECONDS = 60;
const NAMES_NO_ACCOUNT = 'the dialplan names no account: expected user@domain';
const PLACEHOLDER = 'null/';
/** Channels looked at one by one when the link comes up: more than these is no pushwake's business but a busy PBX's. */
const TAKEN_UP_MAX = 500;

/**
 * Real time that the node which FreeSWITCH asked has for its answer, in ms, before a spare one takes the call over: half of the dialplan's guard, so
 * that the spare one has as much. An answer takes some hundredths of a second.
 */
const SPARE_WAITS_MS = 700;

/** Accounts of one call that are woken: a group of more is a mistake, or somebody's attempt. */
const ACCOUNTS_MAX = 20;

/** A leg of another account of the same caller is named `<the caller's channel>/<account>`. */
const callerOf = (legId: string) => legId.split('/')[0] as string;

interface ChannelRow {
  readonly uuid: string;
  readonly name: string;
  readonly callstate: string;
}

/** One whose dial string can be handed back. */
type DialledCall = CallFact & { readonly dial: string };

export interface CallsOptions {
  /** Name of the link. */
  readonly pbx: string;
  /** Name of this pushwake at the PBX. */
  readonly node: string;
  readonly observing: () => boolean;
  readonly clock: Clock;
  readonly time: Instants;
  readonly log: Logger;
  readonly dial: ContactDial;
  readonly ask: Ask;
  readonly say: (event: PbxEvent) => void;
}

export class Calls {
  readonly #o: CallsOptions;
  readonly #channels: Channels;
  readonly #late: LateCalls;
  /** By the caller's channel. */
  readonly #callers = new Map<string, CallerOf>();
  /** By the leg's id of the port. */
  readonly #calls = new Map<string, WaitingCall>();
  readonly #callByRef = new Map<string, WaitingCall>();
  /** Channels of an earlier life of ours that still ring, by caller; and what they are called in this one. */
  readonly #adopted = new Map<string, Adopted[]>();
  readonly #adoptedRefs = new Map<string, string>();

  constructor(options: CallsOptions) {
    this.#o = options;
    this.#channels = new Channels(options.ask);
    this.#late = new LateCalls(options.ask, this.#channels);
  }

  clear(): void {
    this.#callers.clear();
    this.#calls.clear();
    this.#callByRef.clear();
  }

  // ── Facts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The link is up. Calls we knew go on, have ended, or are another node's by now; those that began while nobody listened are found by their
   * placeholder. `others`: we hold the lease, and those that wait on another node wait for nobody.
   */
  async takeUp(others: boolean): Promise<void> {
    await this.leaveTaken();
    // Those of now: calls and channels that come while we ask are in no list.
    const known = [...this.#calls.values()].map((call) => ({ call, channels: call.channels }));
    const rows = await this.#rows();
    const there = new Map(rows.map((r) => [r.uuid, { talks: r.callstate === 'ACTIVE' }]));
    for (const { call, channels } of known) call.resume(there, channels);
    // The worker is a new one.
    this.#hurry(this.#callers.size > 0, true);
    await this.#takeUpOf(rows, (node) => others || node === this.#o.node);
  }

  /** We hold the lease now. What orders of ours are under way is none of its business. */
  async takeOver(): Promise<void> {
    await this.#takeUpOf(await this.#rows(), (node) => node !== this.#o.node);
  }

  async #rows(): Promise<readonly ChannelRow[]> {
    return (await this.#o.ask<{ rows?: readonly ChannelRow[] }>('channels', {}, CALL_DEADLINE)).rows ?? [];
  }

  /** Calls that wait, of these nodes. */
  async #takeUpOf(rows: readonly ChannelRow[], isOf: (node: string) => boolean): Promise<void> {
    if (!rows.some((r) => r.name.startsWith(PLACEHOLDER))) return;
    const unanswered = rows.filter((r) => r.callstate !== 'ACTIVE').slice(0, TAKEN_UP_MAX);
    const dumps = await Promise.all(
      unanswered.map(({ uuid }) =>
        this.#o.ask<EventHeaders | undefined>('dump', { uuid }, CALL_DEADLINE).catch(() => undefined),
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
      if (!d?.['Unique-ID'] || !waiting.has(d['Unique-ID']) || this.#callers.has(d['Unique-ID'])) continue;
      const fact = callOf(d);
      if (!fact || !isOf(fact.node)) continue;
      if (fact.node === this.#o.node) this.#arrived(fact, true);
      else await this.#adopt(fact);
    }
  }

  async #adopt(fact: CallFact): Promise<void> {
    const { pbx, node, log } = this.#o;
    await this.#o.ask('adopt', { caller: fact.caller.uuid }, CALL_DEADLINE);
    log.info({ pbx, aor: fact.aor, from: fact.node }, 'call taken over: its node holds the lease no more');
    this.#arrived({ ...fact, node }, true);
  }

  /** Leaves the calls that another node has by now. */
  async leaveTaken(): Promise<void> {
    const callers = [...this.#callers.keys()];
    if (callers.length === 0) return;
    const taken = await this.#o.ask<readonly string[]>('taken', { callers }, CALL_DEADLINE);
    for (const caller of taken) this.#lost(caller);
  }

  /** Another node has the call. */
  #lost(caller: string): void {
    for (const call of [...this.#of(caller)]) call.takenOver();
  }

  /** A call of this account waits for a phone. */
  waitsFor(aor: Aor): boolean {
    return [...this.#callers.values()].some((group) => group.waitsFor(aor));
  }

  fact(fact: CallFact | ChannelFact): void {
    switch (fact.fact) {
      case 'call':
        // A lease of an earlier life of ours may still stand: its calls take the plain path.
        return this.#o.observing() ? undefined : this.#called(fact);
      case 'seen':
        return this.#o.observing() ? this.#seen(fact) : undefined;
      case 'legDials':
      case 'legRinging':
      case 'legAnswered':
      case 'legEnded':
        return this.#leg(fact);
      case 'holdBegan':
        return this.#of(fact.caller).forEach((call) => void call.holdBegan());
      case 'holdEnded':
        return this.#of(fact.caller).forEach((call) => void call.holdEnded(fact.uuid, fact.cause));
      case 'callerAnswered':
        return this.#of(fact.caller).forEach((call) => void call.callerAnswered(fact.byPhone));
      case 'callerEnded':
        return this.#of(fact.caller).forEach((call) => void call.callerEnded(fact.cause));
      case 'lateHeard':
        return this.#late.heard(fact.uuid);
      case 'lateEnded':
        return this.#late.ended(fact.uuid);
      case 'jobFailed': {
        this.#late.jobFailed(fact.job);
        for (const call of [...this.#calls.values()]) call.jobFailed(fact.job, fact.reason);
        return;
      }
      default:
        fact satisfies never;
    }
  }

  #leg(fact: Extract<ChannelFact, { ref: string }>): void {
    const ended = fact.fact === 'legEnded';
    if (ended) this.#channels.ended(fact.uuid);
    else this.#channels.lives(fact.uuid);
    // A channel of an earlier life of ours carries that life's name.
    const ref = this.#adoptedRefs.get(fact.uuid) ?? fact.ref;
    const call = this.#callByRef.get(ref);
    if (ended) {
      this.#adoptedRefs.delete(fact.uuid);
      call?.legEnded(ref, fact.uuid, fact.cause, fact.byPhone);
    } else call?.[fact.fact](ref, fact.uuid);
  }

  #of(caller: string): readonly WaitingCall[] {
    return this.#callers.get(caller)?.calls ?? [];
  }

  /** Another node beside this PBX may hold the lease: it was told as well. */
  #called(fact: CallFact): void {
    if (fact.node === this.#o.node) this.#arrived(fact, false);
    else this.#o.clock.after(SPARE_WAITS_MS, () => void this.#takeOver(fact));
  }

  /** The node that FreeSWITCH asked may be dead, frozen or cut off, and its lease not over. */
  async #takeOver(fact: CallFact): Promise<void> {
    const { pbx, node, log } = this.#o;
    const order = { caller: fact.caller.uuid, from: fact.node };
    if (!(await this.#o.ask<boolean>('takeOver', order, CALL_DEADLINE).catch(() => false))) return;
    log.info({ pbx, aor: fact.aor, from: fact.node }, 'call taken over: the node that was asked did not answer');
    this.#arrived({ ...fact, node }, false);
  }

  #arrived(fact: CallFact, takenUp: boolean): void {
    const { pbx, log } = this.#o;
    const aor = parseAor(fact.aor);
    if (!aor) {
      log.warn({ pbx }, NAMES_NO_ACCOUNT);
      return void this.#compose(fact.caller.uuid, '').catch(() => undefined);
    }
    const { refused } = fact.exports;
    if (refused.length > 0) {
      log.warn({ pbx, aor, variables: refused }, 'exported variables cannot be given to a woken leg');
    }
    const { dial } = fact;
    if (dial === undefined) {
      // Its other legs would be lost.
      log.warn({ pbx, aor }, 'the dial string cannot be handed back to FreeSWITCH: the call goes on without pushwake');
      return void this.#compose(fact.caller.uuid, '').catch(() => undefined);
    }
    const call = { ...fact, dial };
    // Do not disturb, or a forward: its phones do not ring.
    const asked = takenUp || fact.said === undefined || ringsPhones(fact.said.text) ? [aor] : [];
    const others = usersIn(dial)
      .flatMap((user) => parseAor(user) ?? [])
      .filter((of) => of !== aor);
    if (takenUp || others.length === 0) this.#wake(call, asked, takenUp);
    else void this.#marked(others).then((marked) => this.#wake(call, [...asked, ...marked], takenUp));
  }

  /** Accounts that the dialplan rings beside the one it asked for, and whose phones can be woken. */
  async #marked(others: readonly Aor[]): Promise<readonly Aor[]> {
    const aors = [...new Set(others)].slice(0, ACCOUNTS_MAX);
    return this.#o.ask<readonly Aor[]>('marked', { aors }, CALL_DEADLINE).catch(() => []);
  }

  #wake(fact: DialledCall, accounts: readonly Aor[], takenUp: boolean): void {
    const { caller, dial, saysEarlyMedia } = fact;
    if (accounts.length === 0) {
      void this.#set(caller.uuid, STATUS, 'NOBINDING').catch(() => undefined);
      return void this.#compose(caller.uuid, '').catch(() => undefined);
    }
    const group = new CallerOf({ dial, saysEarlyMedia, compose: (text) => this.#compose(caller.uuid, text) });
    this.#callers.set(caller.uuid, group);
    this.#hurry(this.#callers.size === 1, true);
    // The first has the caller's own name; all are known before the first is composed.
    const legs = accounts.map((aor, i) => ({ aor, legId: i === 0 ? caller.uuid : `${caller.uuid}/${aor}` }));
    for (const { aor, legId } of legs) this.#wait(fact, aor, legId, group, takenUp);
    for (const { aor, legId } of legs) this.#wakeLeg(fact, aor, legId);
  }

  #wait(fact: DialledCall, aor: Aor, legId: string, group: CallerOf, takenUp: boolean): void {
    const { pbx, clock } = this.#o;
    const { caller } = fact;
    const seenMs = clock.monotonicMs();
    const ringSeconds = fact.timeoutSeconds ?? RING_SECONDS;
    const call: WaitingCall = new WaitingCall({
      pbx,
      aor,
      legId,
      caller,
      context: fact.context,
      answered: fact.answered,
      exports: fact.exports,
      failsOn: fact.failsOn,
      written: writtenFor(fact.dial, aor),
      forked: isForked(fact.dial, aor),
      enterprise: isEnterprise(fact.dial),
      said: () => this.#said(fact, aor),
      othersAnswered: () => group.othersAnswered(aor),
      takenUp,
      startedAt: this.#o.time.at(fact.startedEpochMs),
      secondsLeft: () => Math.max(5, Math.ceil(ringSeconds - (clock.monotonicMs() - seenMs) / SECOND)),
      orders: {
        compose: (part) => group.part(aor, part),
        originate: (uuid, command) => this.#unlessTaken('originate', { uuid, command, caller: caller.uuid }),
        isThere: async (uuid) => (await this.#o.ask<unknown>('dump', { uuid }, CALL_DEADLINE)) !== undefined,
        kill: (uuid, cause) => this.#channels.kill(uuid, cause),
        set: (uuid, name, value) => void this.#set(uuid, name, value).catch(() => undefined),
        letGo: (uuid, uuids) =>
          void this.#o.ask('letGo', { caller: uuid, uuids }, CALL_DEADLINE).catch(() => undefined),
        newUuid: randomUUID,
        later: (ms, what) => void clock.after(ms, what),
      },
      emit: (event) => {
        if (event.type === 'deviceLegArrived') this.#callByRef.set(event.leg.ref, call);
        this.#o.say(event);
      },
      onAdopted: (uuid, ref) => this.#adoptedRefs.set(uuid, ref),
      onOver: () => {
        // A phone that answers in the same moment is still to be heard.
        clock.after(SECOND, () => {
          for (const ref of call.refs) this.#callByRef.delete(ref);
        });
        if (this.#calls.get(legId) === call) this.#calls.delete(legId);
        if (group.remove(aor) && this.#callers.get(caller.uuid) === group) {
          this.#callers.delete(caller.uuid);
          this.#hurry(this.#callers.size === 0, false);
        }
        this.#adopted.delete(legId);
      },
    });
    group.add(aor, call);
    this.#calls.set(legId, call);
  }

  /** Events are fetched more often while a call waits. */
  #hurry(changes: boolean, on: boolean): void {
    if (changes) void this.#o.ask('hurry', { on }, CALL_DEADLINE).catch(() => undefined);
  }

  /** What the directory says of the phones of an account: the dialplan has worked it out for the one that it asked for. */
  async #said(fact: CallFact, aor: Aor): Promise<SaidOfPhones | undefined> {
    if (aor === parseAor(fact.aor)) return fact.said && ofPhones(fact.said);
    const caller = fact.caller.uuid;
    const said = await this.#o.ask<Said | undefined>('said', { caller, aor }, CALL_DEADLINE).catch(() => undefined);
    return said && ofPhones(said);
  }

  /** It goes its way already: to be looked at, never to be touched. */
  #seen(fact: CallFact): void {
    const aor = parseAor(fact.aor);
    if (aor) this.#wakeLeg(fact, aor, fact.caller.uuid);
    else this.#o.log.warn({ pbx: this.#o.pbx }, NAMES_NO_ACCOUNT);
  }

  #wakeLeg({ caller, linkedId, startedEpochMs }: CallFact, aor: Aor, legId: string): void {
    const { name, number, hidden } = caller;
    const shown = hidden ? undefined : { ...(name ? { name } : {}), ...(number ? { number } : {}) };
    const leg = { legId, aor, linkedId, ...(shown && { caller: shown }) };
    this.#o.say({ type: 'wakeLegArrived', pbx: this.#o.pbx, leg, startedAt: this.#o.time.at(startedEpochMs) });
  }

  // ── Orders ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async compose(legId: string, callId: string, ring: readonly RingTarget[]): Promise<LegOutcome> {
    const call = this.#calls.get(legId);
    if (!call) return 'gone';
    if (ring.length === 0) return call.plain();
    this.#late.called(callId, call.from);
    const targets = ring.flatMap((target): Target[] => {
      if (target.kind === 'device') return [target];
      const dial = this.#o.dial.of(target.contact);
      if (dial === undefined) return [];
      return target.kind === 'contact' ? [{ kind: 'contact', dial }] : [{ kind: 'stored', ref: target.ref, dial }];
    });
    return call.compose(callId, targets, this.#adopted.get(legId));
  }

  async ring(leg: DeviceLeg, contact?: HeldContact): Promise<LegOutcome> {
    const call = this.#callByRef.get(leg.ref);
    if (!call) return 'gone';
    if (leg.kind === 'stored' || !contact) return call.ring(leg.ref);
    const dial = this.#o.dial.of(contact);
    const toAccount = libraryOf(contact.uri) === 'liblinphone';
    return dial === undefined ? call.giveUp(leg.ref, 20) : call.ring(leg.ref, dial, toAccount);
  }

  async giveUp(legId: string, cause: number): Promise<LegOutcome> {
    return this.#callByRef.get(legId)?.giveUp(legId, cause) ?? 'gone';
  }

  async tellStatus(legId: string, status: WakeStatus): Promise<void> {
    const call = this.#calls.get(legId) ?? this.#callByRef.get(legId);
    if (call) call.tellStatus(status);
    // A wake leg is the caller's channel, which goes on after we have let go of it.
    else if (!this.#o.observing() && parseRef(legId) === undefined) await this.#set(callerOf(legId), STATUS, status);
  }

  async showEnded(contact: HeldContact, callId: string, word: ClosingWord): Promise<void> {
    const dial = this.#o.dial.of(contact);
    if (dial !== undefined) await this.#late.show(contact, dial, callId, word);
  }

  #compose(caller: string, dial: string): Promise<LegOutcome> {
    return this.#unlessTaken('compose', { caller, dial });
  }

  /** An order that is carried out only while the call is ours. */
  async #unlessTaken(
    order: 'compose' | 'originate',
    of: { readonly caller: string } & Readonly<Record<string, string>>,
  ): Promise<LegOutcome> {
    const outcome = await this.#o.ask<LegOutcome | 'taken'>(order, of, CALL_DEADLINE);
    if (outcome !== 'taken') return outcome;
    this.#lost(of.caller);
    return 'gone';
  }

  #set(caller: string, name: string, value: string): Promise<void> {
    return this.#o.ask('setVariable', { caller, name, value }, CALL_DEADLINE);
  }
}
