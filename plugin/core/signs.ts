/**
 * What came of a device's last pushes, beyond "it woke" or "it did not": the evidence from which `trouble.ts` names a cause. Only
 * what is not as it should be is kept, in lists of fixed length: a device that rings has no signs, and no report makes a record grow.
 */
import { between, type DurationMs, type Instant, MINUTE, plus, SECOND } from './time.ts';

/** What came of one call push that its service had accepted, and that did not make the phone ring. */
export type CallSign =
  /** The phone registered, its INVITE came, and it refused the call by itself, faster than a person can. */
  | 'refused'
  /** The phone registered, and its INVITE got no answer. */
  | 'not-rung'
  /** The phone registered when the call was over. */
  | 'late'
  /** The app confirmed the push, and the phone did not register. */
  | 'received'
  /** The same, and the push had taken long to arrive. */
  | 'received-late'
  | 'nothing';

export interface CallMark {
  /** When the call began. */
  readonly at: Instant;
  readonly sign: CallSign;
  /** A REGISTER within half an hour shows that the phone was on, and reached the PBX. */
  readonly on?: true;
}

export interface Signs {
  /** Of the last call pushes since the phone last rang, oldest first. */
  readonly calls: readonly CallMark[];
  /** When a push to the other token last proved to arrive, while calls brought nothing. */
  readonly otherAt?: Instant;
  /** Silent pushes of this lifetime that were sent and not answered yet. */
  readonly silent: number;
  /** Lifetimes in a row in which the phone was on and answered none of them. */
  readonly silentSpells: number;
  /** Of the last confirmed pushes that were sent with high priority: whether they arrived with less. Oldest first. */
  readonly lowered: readonly boolean[];
  /** When the user was last asked to open the app. */
  readonly askedAt?: Instant;
}

const NONE: Signs = { calls: [], silent: 0, silentSpells: 0, lowered: [] };

const CALLS_KEPT = 6;
const PRIORITIES_KEPT = 5;
/** A phone that registers this soon (ms) after the ring time was woken by the call all the same. */
const LATE_WITHIN: DurationMs = 1 * MINUTE;
/** A REGISTER this near (ms) to a call shows that the phone was on. */
export const ON_WITHIN: DurationMs = 30 * MINUTE;
/** A high push that takes longer than this (ms) to arrive was put off on its way. */
const LONG_ON_ITS_WAY: DurationMs = 10 * SECOND;
/** A silent push may be put off for some minutes by the system, and still is what made the app register. */
const ANSWERED_WITHIN: DurationMs = 10 * MINUTE;
/** Longer after the last silent push nobody knows whether the phone was on when that came. */
const ON_AT_THE_PUSH: DurationMs = 90 * MINUTE;
/** So many unanswered silent pushes of one lifetime say something. */
const SILENT_ENOUGH = 3;

/** Undefined where there is nothing to remember. */
function kept(signs: Signs): Signs | undefined {
  const { calls, silent, silentSpells, lowered, askedAt } = signs;
  const isEmpty = calls.length === 0 && silent === 0 && silentSpells === 0 && lowered.length === 0;
  return isEmpty && askedAt === undefined ? undefined : signs;
}

/** A call is over whose push was accepted. `rang`: the phone registered, and did what a phone does. */
export function afterCall(
  signs: Signs | undefined,
  at: Instant,
  sign: CallSign | 'rang',
  on: boolean,
): Signs | undefined {
  if (sign !== 'rang') {
    const mark: CallMark = { at, sign, ...(on && { on: true }) };
    const before = signs ?? NONE;
    return { ...before, calls: [...before.calls, mark].slice(-CALLS_KEPT) };
  }
  if (signs === undefined || signs.calls.length === 0) return signs;
  const { otherAt: _, ...rest } = signs;
  return kept({ ...rest, calls: [] });
}

/** The device registered. `lastRefreshAt`: when a silent push asked it to, in this lifetime. */
export function afterRegister(
  signs: Signs | undefined,
  at: Instant,
  lastRefreshAt: Instant | undefined,
  ringTimeMs: DurationMs,
): Signs | undefined {
  if (signs === undefined) return undefined;
  const calls = withRegister(signs.calls, at, ringTimeMs);
  const afterMs = lastRefreshAt === undefined ? undefined : between(lastRefreshAt, at);
  const isAnswer = afterMs !== undefined && afterMs <= ANSWERED_WITHIN;
  const wasOn = afterMs !== undefined && afterMs <= ON_AT_THE_PUSH;
  const isSpell = !isAnswer && wasOn && signs.silent >= SILENT_ENOUGH;
  const silentSpells = isAnswer ? 0 : signs.silentSpells + Number(isSpell);
  const isNews = calls !== signs.calls || signs.silent > 0 || silentSpells !== signs.silentSpells || isAnswer;
  if (!isNews) return signs;
  return kept({
    ...signs,
    calls,
    silent: 0,
    silentSpells,
    ...(isAnswer && calls.length > 0 && { otherAt: at }),
  });
}

/** A push or a silent push was answered by a device whose REGISTER does not say which device it is. */
export function afterAnswer(signs: Signs | undefined): Signs | undefined {
  if (signs === undefined || (signs.silent === 0 && signs.silentSpells === 0)) return signs;
  return kept({ ...signs, silent: 0, silentSpells: 0 });
}

/** The app gave other tokens: what was known of the old ones says nothing of these. */
export function afterNewTokens(signs: Signs | undefined): Signs | undefined {
  return signs?.askedAt === undefined ? undefined : { ...NONE, askedAt: signs.askedAt };
}

function withRegister(calls: readonly CallMark[], at: Instant, ringTimeMs: DurationMs): readonly CallMark[] {
  const last = calls.at(-1);
  if (last === undefined || (last.sign !== 'nothing' && last.sign !== 'received')) return calls;
  const afterMs = between(last.at, at);
  if (afterMs < 0) return calls;
  if (afterMs <= ringTimeMs + LATE_WITHIN) return [...calls.slice(0, -1), { ...last, sign: 'late' }];
  return afterMs <= ON_WITHIN && !last.on ? [...calls.slice(0, -1), { ...last, on: true }] : calls;
}

/** A silent push goes out. */
export function afterRefresh(signs: Signs | undefined): Signs {
  const before = signs ?? NONE;
  return { ...before, silent: before.silent + 1 };
}

/** It did not reach its service, so that nothing can be said of the phone. */
export function afterLostRefresh(signs: Signs | undefined): Signs | undefined {
  return signs === undefined || signs.silent === 0 ? signs : kept({ ...signs, silent: signs.silent - 1 });
}

/** With which priority a message arrived, in Android's words (`RemoteMessage.getPriority()`). */
export type Priority = 'high' | 'normal' | 'unknown';

/** What an app says of a push that it received. Undefined: it does not say. */
export interface ReceiptSaid {
  /** Which push; else its last one that is not confirmed yet. */
  readonly pushId: string | undefined;
  readonly priority: Priority | undefined;
  /** With which one it was sent, as the phone was told. */
  readonly originalPriority: Priority | undefined;
}

/** A confirmed push, as it counts. */
export interface Receipt {
  readonly purpose: 'call' | 'other';
  /** It went to the token that does not get the calls. */
  readonly toOther: boolean;
  /** When its service accepted the push. */
  readonly pushedAt: Instant;
  readonly at: Instant;
  /** Undefined: the app did not say which push it means, so how long it took is not known. */
  readonly tookMs: DurationMs | undefined;
  /** Whether a push of high priority arrived with less. */
  readonly priority: 'kept' | 'lowered' | 'unknown';
}

/** How a confirmed call push counts, where the phone did not register in time. */
export function confirmedSign(tookMs: DurationMs | undefined): 'received' | 'received-late' {
  return tookMs !== undefined && tookMs >= LONG_ON_ITS_WAY ? 'received-late' : 'received';
}

/** The same object where the receipt says nothing new. */
export function afterReceipt(signs: Signs | undefined, receipt: Receipt, ringTimeMs: DurationMs): Signs | undefined {
  const before = signs ?? NONE;
  const calls = withReceipt(before.calls, receipt, ringTimeMs);
  const lowered = withPriority(before.lowered, receipt.priority);
  const [first] = calls;
  const isProof = receipt.toOther && first !== undefined && (before.otherAt ?? first.at) <= first.at;
  if (calls === before.calls && lowered === before.lowered && !isProof) return signs;
  return kept({ ...before, calls, lowered, ...(isProof && { otherAt: receipt.at }) });
}

function withReceipt(calls: readonly CallMark[], receipt: Receipt, ringTimeMs: DurationMs): readonly CallMark[] {
  const last = calls.at(-1);
  if (last === undefined || receipt.purpose !== 'call') return calls;
  const isItsPush = receipt.pushedAt >= last.at && receipt.pushedAt <= plus(last.at, ringTimeMs);
  if (!isItsPush || (last.sign !== 'nothing' && last.sign !== 'late')) return calls;
  const sign = confirmedSign(receipt.tookMs);
  if (last.sign === 'late' && sign === 'received') return calls;
  return [...calls.slice(0, -1), { ...last, sign }];
}

/** A list that says "kept" throughout says nothing and is not stored; one that is full of the same stays as it is. */
function withPriority(lowered: readonly boolean[], priority: Receipt['priority']): readonly boolean[] {
  if (priority === 'unknown' || (priority === 'kept' && lowered.length === 0)) return lowered;
  const next = [...lowered, priority === 'lowered'].slice(-PRIORITIES_KEPT);
  if (!next.includes(true)) return [];
  const isSame = next.length === lowered.length && next.every((was, i) => was === lowered[i]);
  return isSame ? lowered : next;
}

/** The user was asked to open the app. */
export function afterAsking(signs: Signs | undefined, at: Instant): Signs {
  return { ...(signs ?? NONE), askedAt: at };
}
