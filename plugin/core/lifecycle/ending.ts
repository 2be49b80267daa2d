/** The end of a binding, in steps that are stored: the notice *expired*, the contact, then the tombstone. */
import { type Binding, type EndReason, isLive, type Targets } from '../binding.ts';
import type { WhyRemoved } from '../events.ts';
import { targetList } from '../identity.ts';
import { isNotifiable } from '../schedule.ts';
import { between, DAY, type DurationMs, type Instant, plus } from '../time.ts';
import { collapseId } from './collapse-id.ts';
import type { Draft } from './draft.ts';

/** A contact of a dead token that lives longer than this (ms) is removed. */
const LEFT_AT_MOST: DurationMs = DAY;

/** *Ending* is stored, because a crash, a late REGISTER and a dead push service may fall between any two of its steps. */
export function beginEnding(
  draft: Draft,
  b: Binding,
  reason: EndReason,
  how: { silent: boolean; since?: Instant },
): void {
  if (b.ending) return;
  const { notBefore: _, putOff: __, ...rest } = b;
  const next = draft.replace({
    ...rest,
    ending: {
      reason,
      since: how.since ?? draft.now,
      notice: how.silent || !isNotifiable(b) ? 'done' : 'due',
      contact: b.contacts.length === 0 ? 'gone' : 'due',
    },
  });
  draft.report('ending', b.id, reason);
  continueEnding(draft, next);
}

/** Asks for what is still due of an ending. Safe to repeat: the collapse id replaces the banner, 404 is success. */
export function continueEnding(draft: Draft, b: Binding): void {
  const ending = b.ending;
  if (!ending) return;
  const policy = draft.policy(b);
  const times = b.putOff ?? 0;
  const retryAt = plus(draft.now, Math.min(policy.resendAfterMs * 2 ** Math.min(times, 10), policy.putOffMaxMs));
  const patient = between(ending.since, draft.now) <= policy.endingPatienceMs;
  // Our own mistake (a wrong key) must not cost the user the last word; a contact nobody can remove expires by itself.
  const notice = patient || ending.held === 'misconfigured' ? ending.notice : 'done';
  const contact = patient ? ending.contact : 'gone';
  const target = b.targets.other;
  const isSent = notice === 'due' && target !== undefined;
  const next = draft.replace({
    ...b,
    notBefore: retryAt,
    putOff: times + 1,
    ending: { ...ending, notice, contact },
    sent: isSent
      ? [...b.sent.filter((s) => s.notice !== 'expired'), { notice: 'expired', at: draft.now, done: false }]
      : b.sent,
  });
  if (isSent) {
    draft.effects.push({
      type: 'sendNotice',
      bindingId: b.id,
      target,
      which: { notice: 'expired' },
      endsAt: b.endsAt,
      collapseId: collapseId(target, 'notice', b.renewedAt),
      expiresAt: plus(draft.now, DAY),
    });
  }
  if (contact === 'due') {
    const why = ending.reason === 'token-dead' ? 'token-dead' : 'ended';
    for (const c of b.contacts) removeContact(draft, b, c.uri, c.pbx, why, [b.targets]);
  }
  finishEnding(draft, next);
}

export function finishEnding(draft: Draft, b: Binding): void {
  if (b.ending?.notice === 'done' && b.ending.contact === 'gone') draft.bury(b, b.ending.reason);
}

/** Only a contact that carries a token this binding has, or had until this change, is ever removed. */
export function removeContact(
  draft: Draft,
  b: Binding,
  uri: string,
  pbx: string,
  why: WhyRemoved,
  known: readonly Targets[],
): void {
  const tokens = known.flatMap(targetList).map((t) => t.token.fingerprint);
  draft.effects.push({ type: 'removeContact', bindingId: b.id, pbx, uri, tokens: [...new Set(tokens)], why });
}

/**
 * Whether a contact is left at the PBX until it expires there. A service may call a living token dead; its phone, awake, rings at this
 * contact as it would without us, and registers again before it expires, which revives the binding. `expiresAt` undefined: nobody knows.
 */
export function isLeftToExpire(why: WhyRemoved, expiresAt: Instant | undefined, now: Instant): boolean {
  return why === 'token-dead' && expiresAt !== undefined && between(now, expiresAt) <= LEFT_AT_MOST;
}

/** The longest silent device goes: somebody registers with ever new tokens, or has given away many phones. */
export function makeRoom(draft: Draft, most: number): void {
  const oldestFirst = [...draft.bindings].sort((a, b) => a.renewedAt - b.renewedAt);
  const living = oldestFirst.filter(isLive);
  for (const oldest of living.slice(0, Math.max(0, living.length - most))) {
    beginEnding(draft, oldest, 'dropped', { silent: true });
  }
  // Claims are counted by themselves: nobody's phone gives way to what is only said.
  const claims = oldestFirst.filter((b) => !b.ending && !isLive(b));
  for (const oldest of claims.slice(0, Math.max(0, claims.length - most))) draft.bury(oldest, 'dropped');
}
