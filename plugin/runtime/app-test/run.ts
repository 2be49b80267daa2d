/** One test of one app: carries the steps out, one after the other, and keeps what was seen. Changes no record of ours. */
import type { Aor } from '../../core/aor.ts';
import {
  type Answer,
  type CallSeen,
  callSeen,
  measurable,
  type QuestionName,
  type RegistersSeen,
  STEPS,
  type StepName,
  type StepSeen,
  type Subject,
  subjectOf,
} from '../../core/app-test/index.ts';
import type { AorRecord, Binding } from '../../core/binding.ts';
import { targetList } from '../../core/identity.ts';
import { type DurationMs, MINUTE, plus, SECOND } from '../../core/time.ts';
import type { CallTrace } from '../../core/trace.ts';
import { callIdOf } from '../../core/wake.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PbxEvent, PbxLink, TestCallEnd } from '../../ports/pbx-link.ts';
import type { TraceBook } from '../calls/trace-book.ts';
import type { Delivery, PushDraft } from '../push/delivery.ts';
import { TEST_NOTICE } from '../push/push-test.ts';
import { Person } from './person.ts';
import { Skip } from './skip.ts';
import { COURSE } from './steps.ts';
import { Stopped, Waiting } from './waiting.ts';
import { AccountWatch } from './watch.ts';

const ANSWERED_WITHIN: DurationMs = 3 * MINUTE;
/** The PBX ends a test call by itself after this. */
const RINGS_AT_MOST: DurationMs = 60 * SECOND;
/** From the request to the PBX until the call reaches us. */
const CALL_SEEN_WITHIN: DurationMs = 5 * SECOND;
/** An app goes back to sleep some seconds after its call. */
const PHONE_SLEEPS_AFTER: DurationMs = 8 * SECOND;
/** What is learnt from a call is learnt within this after its end. */
const SETTLED_WITHIN: DurationMs = 10 * SECOND;
const PUSH_LASTS: DurationMs = 30 * SECOND;

export interface RunOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonicMs' | 'after'>;
  readonly link: PbxLink;
  readonly delivery: Pick<Delivery, 'send' | 'targetFor'>;
  readonly traces: Pick<TraceBook, 'find'>;
  readonly read: (aor: Aor) => Promise<AorRecord | undefined>;
  readonly newId: () => string;
  readonly aor: Aor;
  readonly device: Binding;
  /** How long a call push of this device is worth delivering. */
  readonly ringTimeMs: DurationMs;
  readonly person: boolean;
  readonly steps: readonly StepName[];
  /** Contacts of the account that say nothing of push, as the PBX held them before. */
  readonly plainContacts: readonly string[];
}

export interface PlacedCall {
  readonly id: string;
  readonly callId: string;
  mayAnswerMs: DurationMs | undefined;
  endedMs: DurationMs | undefined;
}

interface Draft {
  readonly step: StepName;
  readonly calls: PlacedCall[];
  readonly answers: Partial<Record<QuestionName, Answer>>;
  push: StepSeen['push'];
  held: StepSeen['held'];
  readonly before: readonly Binding[];
}

export class AppTestRun {
  readonly aor: Aor;
  readonly subject: Subject;
  readonly person: Person;
  readonly #o: RunOptions;
  readonly #watch: AccountWatch;
  readonly #done: StepSeen[] = [];
  readonly #waiting: Waiting;
  #draft: Draft | undefined;
  /** During the step under way: what happened meanwhile was not seen. */
  #linkWasLost = false;
  #overMs: number | undefined;
  /** Ids of the calls that it placed. */
  readonly placed = new Set<string>();

  constructor(options: RunOptions) {
    this.#o = options;
    this.aor = options.aor;
    this.subject = subjectOf(options.device);
    this.person = new Person(options.person);
    const monotonicMs = () => options.clock.monotonicMs();
    this.#watch = new AccountWatch(options.aor, monotonicMs, {
      before: options.plainContacts,
      reports: this.subject.reports,
    });
    this.#waiting = new Waiting(options.clock, () => options.link.up);
  }

  get isOver(): boolean {
    return this.#overMs !== undefined;
  }

  get step(): StepName | undefined {
    return this.#draft?.step;
  }

  /** It runs, or its last call may not have been settled yet. */
  get isFresh(): boolean {
    return this.#overMs === undefined || this.#o.clock.monotonicMs() - this.#overMs < SETTLED_WITHIN;
  }

  get isStopped(): boolean {
    return this.stopped !== undefined;
  }

  get stopped(): string | undefined {
    return this.#waiting.stopped;
  }

  /** What was seen so far; the step under way as one that was cut. */
  get seen(): readonly StepSeen[] {
    const { calls } = this.#draft ?? {};
    const current =
      this.#draft && (calls?.length ?? 0) > 0 ? [this.#seenOf(this.#draft, this.#draft.before, 'cut')] : [];
    return [...this.#done, ...(this.isOver ? [] : current)];
  }

  /** Somebody still wants to know. */
  touch(): void {
    this.#waiting.touch();
  }

  /** The first reason counts. */
  stop(why: string): void {
    this.#waiting.stop(why);
  }

  heard(event: PbxEvent): void {
    if (this.isOver) return;
    if (event.type === 'linkDown' && event.pbx === this.#o.link.name) this.#linkWasLost = true;
    this.#watch.heard(event);
  }

  /** Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#begin();
      for (const step of STEPS.filter((s) => this.#o.steps.includes(s))) await this.#carryOut(step);
    } catch (error) {
      this.stop(error instanceof Stopped ? error.message : 'a fault of pushwake, which its log names');
      if (!(error instanceof Stopped)) throw error;
    } finally {
      await this.#close();
    }
  }

  /** A test without the person it counts on would take each question for one that nobody answered. */
  async #begin(): Promise<void> {
    if (!this.person.isThere || (await this.confirm('ready'))) return;
    const why = this.person.isThere ? 'the person at the phone was not ready' : 'nobody was ready within three minutes';
    this.stop(why);
    this.#waiting.mayGoOn();
  }

  async #carryOut(step: StepName): Promise<void> {
    await this.#waiting.linkIsBack();
    this.#linkWasLost = false;
    const before = await this.#bindings();
    const draft: Draft = { step, calls: [], answers: {}, push: undefined, held: 'unknown', before };
    this.#draft = draft;
    this.#watch.begin();
    try {
      await this.pause(PHONE_SLEEPS_AFTER);
      await COURSE[step](this);
      this.#done.push(this.#seenOf(draft, await this.#bindings(), 'done'));
    } catch (error) {
      if (!(error instanceof Skip)) throw error;
      await this.#endCalls();
      this.#done.push({ ...this.#seenOf(draft, before, 'skipped'), why: error.message });
    }
    this.#draft = undefined;
  }

  async #close(): Promise<void> {
    this.person.clear();
    await this.#endCalls();
    const draft = this.#draft;
    if (draft) this.#done.push({ ...this.#seenOf(draft, draft.before, 'cut'), why: this.stopped ?? 'stopped' });
    this.#overMs = this.#o.clock.monotonicMs();
  }

  #seenOf(draft: Draft, after: readonly Binding[], state: StepSeen['state']): StepSeen {
    const known = new Set(draft.before.flatMap(tokensOf));
    return {
      step: draft.step,
      state,
      calls: draft.calls.map((call) => this.#callSeen(call)),
      registers: this.#watch.seen,
      answers: { ...draft.answers },
      ...(draft.push !== undefined && { push: draft.push }),
      bindings: { before: draft.before.length, after: after.length },
      newTokens: after.some((b) => tokensOf(b).some((token) => !known.has(token))),
      held: draft.held,
    };
  }

  #callSeen(call: PlacedCall): CallSeen {
    const { mayAnswerMs, endedMs } = call;
    return callSeen(this.#trace(call) ?? { steps: [] }, this.#o.device.id, { mayAnswerMs, endedMs });
  }

  // ── What a step is made of ─────────────────────────────────────────────────────────────────────────────────────────

  get ringTimeMs(): DurationMs {
    return this.#o.ringTimeMs;
  }

  get watched(): RegistersSeen {
    return this.#watch.seen;
  }

  /** Time passes. Rejects when the test is stopped. */
  async pause(ms: DurationMs): Promise<void> {
    await this.#waiting.pause(ms);
    await this.#linkHeld();
  }

  /** Resolves when `check` holds, or with false after `ms`. Rejects when the test is stopped. */
  async until(check: () => boolean, ms: DurationMs): Promise<boolean> {
    const holds = await this.#waiting.until(check, ms);
    await this.#linkHeld();
    return holds;
  }

  /** A link that flaps (a busy machine is enough) costs the step, and not the test. */
  async #linkHeld(): Promise<void> {
    if (!this.#linkWasLost) return;
    await this.#waiting.linkIsBack();
    throw new Skip('the link to the PBX was away meanwhile');
  }

  /** False: the person said no, or nobody answered. */
  async confirm(name: QuestionName): Promise<boolean> {
    if (!this.person.isThere) return false;
    this.person.show(name);
    await this.#waiting.patiently(() => this.person.answered !== undefined, ANSWERED_WITHIN);
    this.person.clear();
    if (this.person.answered === undefined) this.person.left();
    return this.person.answered === 'yes';
  }

  /** Asks what the person saw; an answer is kept for the rules. */
  async ask(name: QuestionName): Promise<void> {
    if (!this.person.isThere) return;
    await this.confirm(name);
    const { answered } = this.person;
    if (answered !== undefined && answered !== 'unseen' && this.#draft) this.#draft.answers[name] = answered;
  }

  needsPerson(): void {
    if (!this.person.isThere) throw new Skip('nobody is at the phone');
  }

  async place(): Promise<PlacedCall> {
    const { link, aor, newId } = this.#o;
    if (!link.placeCall) throw new Skip('this PBX takes no test calls');
    this.#waiting.mayGoOn();
    const id = newId();
    // Known before it is placed: a stop in between ends it all the same.
    const placed = { id, callId: '', mayAnswerMs: undefined, endedMs: undefined };
    this.#draft?.calls.push(placed);
    const nth = this.#draft?.calls.length ?? 1;
    const caller = { name: `pushwake test ${nth}`, number: `test${nth}` };
    const linkedId = await link.placeCall({ id, aor, caller, ringMs: RINGS_AT_MOST }).catch(() => undefined);
    if (linkedId === undefined) throw new Skip('the PBX did not place the test call');
    const call: PlacedCall = Object.assign(placed, { callId: callIdOf(link.name, linkedId, aor) });
    this.placed.add(call.callId);
    if (!(await this.until(() => this.#watch.callSeenMs(call.callId) !== undefined, CALL_SEEN_WITHIN)))
      throw new Skip('the test call did not come by pushwake’s dialplan');
    return call;
  }

  /** What has become of a call so far. */
  look(call: PlacedCall): CallSeen & { readonly isOver: boolean } {
    return { ...this.#callSeen(call), isOver: this.#trace(call)?.over ?? false };
  }

  mayAnswer(call: PlacedCall): void {
    call.mayAnswerMs = this.#msOf(call);
    this.person.show('answer-now');
  }

  async end(call: PlacedCall, how: TestCallEnd): Promise<void> {
    this.person.clear();
    if (call.endedMs !== undefined) return;
    call.endedMs = this.#msOf(call);
    await this.#o.link.endCall?.(call.id, how).catch(() => undefined);
  }

  /** Sends a push to the measured device, and counts REGISTERs from then on. False: no service took it. */
  async push(what: 'refresh' | 'notice' | PlacedCall): Promise<boolean> {
    const { delivery, device, aor, clock } = this.#o;
    const common = { aor, expiresAt: plus(clock.now(), PUSH_LASTS) };
    const collapseId = `pushwake-test-${device.id}`;
    const push: PushDraft =
      what === 'refresh'
        ? { purpose: 'refresh', ...common, collapseId }
        : what === 'notice'
          ? { purpose: 'notice', ...common, collapseId, notice: 'soon', body: TEST_NOTICE }
          : { purpose: 'call', ...common, callId: what.callId };
    this.#watch.mark();
    const canBeSent = delivery.targetFor(push.purpose, device.targets) !== undefined;
    const outcome = canBeSent ? await delivery.send(push, device.targets) : undefined;
    const isTaken = outcome?.kind === 'accepted';
    if (this.#draft) this.#draft.push = outcome === undefined ? 'impossible' : isTaken ? 'accepted' : 'refused';
    return isTaken;
  }

  /** Whether the PBX still holds the contact at which the device was last seen. */
  async lookHeld(): Promise<void> {
    const { link, aor, device } = this.#o;
    const now = (await this.#bindings()).find((b) => b.id === device.id) ?? device;
    const last = [...now.contacts].sort((a, b) => b.seenAt - a.seenAt)[0];
    const answer = await link.ask(aor).catch(() => undefined);
    if (!this.#draft) return;
    if (answer === undefined || last === undefined) this.#draft.held = 'unknown';
    else this.#draft.held = answer.contacts.some((c) => c.uri === last.uri) ? 'yes' : 'no';
  }

  async hasNewTokens(): Promise<boolean> {
    const known = new Set((this.#draft?.before ?? []).flatMap(tokensOf));
    return (await this.#bindings()).some((b) => tokensOf(b).some((token) => !known.has(token)));
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #trace({ callId }: PlacedCall): CallTrace | undefined {
    return callId === '' ? undefined : this.#o.traces.find(callId)[0];
  }

  /** Now, in ms since the call was seen. */
  #msOf(call: PlacedCall): DurationMs {
    const seenMs = this.#watch.callSeenMs(call.callId);
    return seenMs === undefined ? 0 : Math.round(this.#o.clock.monotonicMs() - seenMs);
  }

  async #endCalls(): Promise<void> {
    for (const call of this.#draft?.calls ?? []) await this.end(call, 'cancelled');
  }

  /** A store that does not answer shows none, which no rule takes for a fault of the app. */
  async #bindings(): Promise<readonly Binding[]> {
    const record = await this.#o.read(this.aor).catch(() => undefined);
    return measurable(record?.bindings ?? []);
  }
}

const tokensOf = ({ targets }: Binding): readonly string[] => targetList(targets).map((t) => t.token.fingerprint);
