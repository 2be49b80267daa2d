/**
 * The life of a binding: bound, renewed, refreshed, warned, ended. One pure function from (record, fact, now) to
 * (record, effects). It knows no PBX, no push service and no clock; `schedule.ts` says when it must be asked again.
 *
 *        REGISTER ──▶ live ──24 h──▶ refreshed hourly ──12 h──▶ warned ──1 h──▶ warned ──0──▶ ending ──▶ gone
 *                      ▲                                                                        │
 *                      └───────────────── REGISTER at any time, also in *ending* ◀──────────────┘
 *
 * Ordering everywhere: the record that comes back is saved first, the effects are carried out after. So an effect may be
 * repeated after a crash, never lost.
 */
import {
  type AorRecord,
  appChosen,
  type Binding,
  type Choice,
  type EndReason,
  isLive,
  type KnownContact,
  type Target,
  type Targets,
} from './binding.ts';
import { sameContact } from './contact-uri.ts';
import { Draft, type PolicyFor, type Transition, worthWriting } from './draft.ts';
import type { LifecycleEvent, SeenContact } from './events.ts';
import { isSameDevice, sameTargets, shareToken, targetList } from './identity.ts';
import type { Policy } from './policy.ts';
import { pushParamsOf } from './push-params.ts';
import { answered, confirmClaims, reported, withdrawn } from './reports.ts';
import { bindingDueAt, isNotifiable, lifetimeOf, nextNotice, nextRefresh, noticeKind } from './schedule.ts';
import { between, DAY, type DurationMs, HOUR, type Instant, latest, MINUTE, plus, SECOND } from './time.ts';
import { fingerprint } from './token.ts';
import { isWorthKeeping, recordInWords, wakesSeldom, withWake } from './wake-record.ts';

/** Asterisk notices an expiry up to 18.6 s late (sweep every 30 s): a `Removed` proves that much less. */
const REMOVED_SLACK: DurationMs = 30 * SECOND;
/** PBXs tell expiry in whole seconds: what it proves may be wrong by so much, and must not pass for a renewal. */
const ROUNDING: DurationMs = 5 * SECOND;

export function transition(record: AorRecord, event: LifecycleEvent, now: Instant, policyFor: PolicyFor): Transition {
  const draft = new Draft(record, now, policyFor);
  switch (event.type) {
    case 'ContactSeen':
      contactSeen(draft, event);
      break;
    case 'ContactRemoved':
      contactRemoved(draft, event);
      break;
    case 'Unregistered':
      unregistered(draft, event);
      break;
    case 'Ticked':
      ticked(draft, event);
      break;
    case 'NoticeSettled':
      noticeSettled(draft, event);
      break;
    case 'TokenDied':
      tokenDied(draft, event);
      break;
    case 'ContactGone':
      contactGone(draft, event);
      break;
    case 'WakeSettled':
      wakeSettled(draft, event);
      break;
    case 'Reported':
      reported(draft, event);
      makeRoom(draft, draft.policyFor(event.targets).maxDevicesPerAor);
      break;
    case 'ReportWithdrawn':
      withdrawn(draft, event);
      break;
    case 'ReportedDeviceAnswered':
      answered(draft, event);
      break;
    case 'DropRequested': {
      const b = draft.find(event.bindingId);
      if (b) beginEnding(draft, b, 'dropped', { silent: true });
      break;
    }
    default:
      return event satisfies never;
  }
  return draft.finish();
}

// ── A REGISTER, or a contact that is held ────────────────────────────────────────────────────────────────────────────

function contactSeen(draft: Draft, event: Extract<LifecycleEvent, { type: 'ContactSeen' }>): void {
  const { contact, live } = event;
  if (draft.missingSince !== undefined) {
    draft.missingSince = undefined;
    draft.dirty = true;
  }
  confirmClaims(draft, live ? event.at : noEarlierThan(contact));
  // What the phone wrote counts; the stored URI may hide that push was switched on or off (asterisk.md §0.5).
  const app = contact.choice ? contact.choice.app : appChosen(draft.bindings);
  const params = pushParamsOf(contact.wireUri ?? contact.uri, app);
  if (params.kind !== 'push') {
    // RFC 8599 §4.1.2: a REGISTER of this contact without pn-prid means "stop pushing". Only the wire proves it.
    if (params.kind === 'none' && live && contact.wireUri !== undefined) pushSwitchedOff(draft, contact, event.at);
    // `query`: pn-provider without pn-prid asks what the server supports and creates nothing (RFC 8599 §4.1.5).
    return;
  }
  const evidence = {
    pbx: contact.pbx,
    uri: contact.uri,
    targets: params.targets,
    ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
  };
  const matches = draft.bindings.filter((b) => isSameDevice(b, evidence));
  const provedAt = live ? event.at : provedBy(contact, matches);
  if (matches.length === 0) {
    if (!live && wasBuried(draft, params.targets, provedAt)) return;
    if (provedAt === undefined && !live) return bindNew(draft, event, params.targets, plusHeld(event.at, contact));
    return bindNew(draft, event, params.targets, provedAt ?? event.at);
  }
  const binding = matches.length > 1 ? merge(draft, matches) : (matches[0] as Binding);
  if (live) {
    const former = matches.map((b) => b.targets);
    return renew(draft, binding, contact, params.targets, event.at, former);
  }
  heldContact(draft, binding, contact, params.targets, provedAt);
}

/** What a device that ended has left at the PBX must not bring it back to life; a REGISTER since then does. */
function wasBuried(draft: Draft, targets: Targets, provedAt: Instant | undefined): boolean {
  const tokens = targetList(targets).map((t) => t.token.fingerprint);
  return draft.tombstones.some(
    (t) => t.tokens.some((token) => tokens.includes(token)) && (provedAt === undefined || provedAt <= t.endedAt),
  );
}

/** A contact that is merely held, of a device we never saw, and nobody knows what was granted: it was alive no earlier than now. */
function plusHeld(at: Instant, contact: SeenContact): Instant {
  return contact.expiresAt !== undefined && contact.expiresAt < at ? contact.expiresAt : at;
}

/** What a held contact proves: a REGISTER at `expiresAt − granted`. Undefined where the granted time is not known. */
function provedBy(contact: SeenContact, candidates: readonly Binding[]): Instant | undefined {
  if (contact.expiresAt === undefined) return undefined;
  const known = candidates.flatMap((b) => b.contacts).find((c) => c.pbx === contact.pbx && c.uri === contact.uri);
  const grantedMs = contact.grantedMs ?? known?.grantedMs;
  return grantedMs === undefined ? undefined : plus(contact.expiresAt, -grantedMs);
}

function bindNew(
  draft: Draft,
  event: Extract<LifecycleEvent, { type: 'ContactSeen' }>,
  targets: Targets,
  renewedAt: Instant,
): void {
  const { contact } = event;
  const choice = contact.choice ?? draft.bindings.find((b) => b.choice)?.choice;
  const policy = draft.policyFor(targets, choice);
  const binding: Binding = {
    id: event.newId,
    createdAt: draft.now,
    evidence: contact.instanceId === undefined ? {} : { instanceId: contact.instanceId },
    targets,
    contacts: [knownContact(contact, renewedAt, draft.now)],
    ...said(choice),
    renewedAt,
    endsAt: plus(renewedAt, lifetimeOf({ targets }, policy)),
    sent: [],
    unansweredWakes: 0,
  };
  draft.bindings.push(binding);
  draft.dirty = true;
  draft.report('bound', binding.id);
  makeRoom(draft, policy.maxDevicesPerAor);
}

/** The longest silent device goes: somebody registers with ever new tokens, or has given away many phones. */
function makeRoom(draft: Draft, most: number): void {
  const oldestFirst = [...draft.bindings].sort((a, b) => a.renewedAt - b.renewedAt);
  const living = oldestFirst.filter(isLive);
  for (const oldest of living.slice(0, Math.max(0, living.length - most))) {
    beginEnding(draft, oldest, 'dropped', { silent: true });
  }
  // Claims are counted by themselves: nobody's phone gives way to what is only said.
  const claims = oldestFirst.filter((b) => !b.ending && !isLive(b));
  for (const oldest of claims.slice(0, Math.max(0, claims.length - most))) draft.bury(oldest, 'dropped');
}

/** When the REGISTER behind a held contact happened at the earliest: nothing was granted beyond the account's maximum. */
function noEarlierThan({ expiresAt, grantedMs, maximumMs }: SeenContact): Instant | undefined {
  const most = grantedMs ?? maximumMs;
  return expiresAt === undefined || most === undefined ? undefined : plus(expiresAt, -most);
}

function knownContact(contact: SeenContact, seenAt: Instant, lookedAt: Instant, before?: KnownContact): KnownContact {
  const grantedMs = contact.grantedMs ?? before?.grantedMs;
  const { expiresAt } = contact;
  return {
    pbx: contact.pbx,
    uri: contact.uri,
    seenAt,
    ...(grantedMs === undefined ? {} : { grantedMs }),
    ...(grantedMs === undefined && expiresAt !== undefined ? { seenExpiry: { expiresAt, lookedAt } } : {}),
  };
}

/**
 * Nobody told what was granted, but the expiry has moved since we last looked: there was a REGISTER after that look, and it
 * was granted no more than what lies between.
 */
function withGranted(contact: SeenContact, same: KnownContact | undefined): SeenContact {
  const before = same?.seenExpiry;
  if (contact.grantedMs !== undefined || !before || contact.expiresAt === undefined) return contact;
  if (between(before.expiresAt, contact.expiresAt) <= ROUNDING) return contact;
  return { ...contact, grantedMs: between(before.lookedAt, contact.expiresAt) };
}

/** A REGISTER of a known device: a new lifetime, whatever was planned. */
function renew(
  draft: Draft,
  binding: Binding,
  contact: SeenContact,
  targets: Targets,
  at: Instant,
  /** What the device was known by until now: of each binding, where two turned out to be one. */
  former: readonly Targets[] = [binding.targets],
): void {
  // A sensor that does not tell takes nothing back.
  const choice = contact.choice ?? binding.choice;
  const policy = draft.policyFor(targets, choice);
  const same = binding.contacts.find((c) => c.pbx === contact.pbx && c.uri === contact.uri);
  const others = binding.contacts.filter((c) => c.pbx === contact.pbx && c.uri !== contact.uri);
  const elsewhere = binding.contacts.filter((c) => c.pbx !== contact.pbx);
  const renewedAt = latest(binding.renewedAt, at);
  const tokensSame = sameTargets(binding.targets, targets);
  const instanceLearned = contact.instanceId !== undefined && binding.evidence.instanceId !== contact.instanceId;
  // PBXs tell expiry in whole seconds: less than two of them is no news.
  const grantedLearned =
    contact.grantedMs !== undefined && Math.abs((same?.grantedMs ?? 0) - contact.grantedMs) >= 2 * SECOND;
  const advance = between(binding.renewedAt, renewedAt);
  const significant =
    !tokensSame ||
    !sameChoice(binding.choice, choice) ||
    instanceLearned ||
    grantedLearned ||
    same === undefined ||
    others.length > 0 ||
    binding.sent.length > 0 ||
    binding.ending !== undefined ||
    binding.unansweredWakes > 0 ||
    binding.notBefore !== undefined ||
    advance >= worthWriting(lifetimeOf({ targets }, policy));
  if (!significant) return;

  const revived = binding.ending !== undefined;
  draft.replace({
    id: binding.id,
    createdAt: binding.createdAt,
    evidence: {
      ...binding.evidence,
      ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
    },
    ...(binding.reportedAt === undefined ? {} : { reportedAt: binding.reportedAt }),
    ...(binding.wakes === undefined ? {} : { wakes: binding.wakes }),
    targets,
    contacts: [...elsewhere, knownContact(contact, at, draft.now, same)],
    ...said(choice),
    renewedAt,
    endsAt: latest(
      plus(renewedAt, lifetimeOf({ targets }, policy)),
      revived || !sameChoice(binding.choice, choice) ? undefined : sameEnd(binding, targets),
    ),
    sent: [],
    unansweredWakes: 0,
  });
  if (revived) draft.report('revived', binding.id);
  else if (!tokensSame) draft.report('token-changed', binding.id);
  else draft.report('renewed', binding.id);
  // Each start of a killed app leaves its contact behind, and at max_contacts the phone is locked out with 403.
  for (const old of others) removeContact(draft, binding, old.uri, old.pbx, 'replaced', [...former, targets]);
}

/** Only a contact that carries a token this binding has, or had until this change, is ever removed. */
function removeContact(
  draft: Draft,
  b: Binding,
  uri: string,
  pbx: string,
  why: 'replaced' | 'ended',
  known: readonly Targets[] = [b.targets],
): void {
  const tokens = known.flatMap(targetList).map((t) => t.token.fingerprint);
  draft.effects.push({ type: 'removeContact', bindingId: b.id, pbx, uri, tokens: [...new Set(tokens)], why });
}

function said(choice: Choice | undefined): { readonly choice?: Choice } {
  return choice?.policy === undefined && choice?.app === undefined ? {} : { choice };
}

function sameChoice(a: Choice | undefined, b: Choice | undefined): boolean {
  return a?.policy === b?.policy && a?.app === b?.app;
}

/** An end that was moved out (a notice was late) does not move back by a proof that is older. */
function sameEnd(binding: Binding, targets: Targets): Instant | undefined {
  return isNotifiable(binding) === (targets.other !== undefined) ? binding.endsAt : undefined;
}

/** A held contact may prove a later REGISTER than we knew of; or be one the device has long left behind. */
function heldContact(
  draft: Draft,
  binding: Binding,
  seen: SeenContact,
  targets: Targets,
  provedAt: Instant | undefined,
): void {
  const same = binding.contacts.find((c) => c.pbx === seen.pbx && c.uri === seen.uri);
  const contact = withGranted(seen, same);
  // Nobody knows what was granted, but no more than the AOR's maximum: that proves less, and still enough.
  const { grantedMs: _, ...rest } = contact;
  const at = provedAt ?? noEarlierThan(rest);
  if (at !== undefined && between(binding.renewedAt, at) > ROUNDING) {
    return renew(draft, binding, contact, targets, at);
  }
  if (same) {
    if (contact.grantedMs !== undefined && same.grantedMs === undefined) {
      const contacts = binding.contacts.map((c) => (c === same ? knownContact(contact, c.seenAt, draft.now) : c));
      draft.replace({ ...binding, contacts });
    }
    return;
  }
  const newest = binding.contacts.filter((c) => c.pbx === contact.pbx).at(-1);
  const sameToken = shareToken(binding.targets, targets);
  if (newest && provedAt !== undefined && provedAt < newest.seenAt && sameToken) {
    // We had asked for its removal once, or were away when the device moved on.
    removeContact(draft, binding, contact.uri, contact.pbx, 'replaced');
  } else if (!newest || (sameToken && isLikelyNewer(contact, newest, draft.now))) {
    // It moved while we were away. Its next REGISTER tidies up; until then both are remembered.
    draft.replace({
      ...binding,
      contacts: [...binding.contacts, knownContact(contact, provedAt ?? binding.renewedAt, draft.now)],
    });
  }
}

/** An app asks for the same time at each start. No proof, so nothing is removed and nothing renewed by it. */
function isLikelyNewer(contact: SeenContact, newest: KnownContact, now: Instant): boolean {
  if (contact.expiresAt === undefined || newest.grantedMs === undefined) return false;
  const registeredAt = plus(contact.expiresAt, -newest.grantedMs);
  return registeredAt > newest.seenAt && registeredAt <= plus(now, ROUNDING);
}

/** Two bindings turn out to be one device: the older id lives on, with the later proof. */
function merge(draft: Draft, matches: readonly Binding[]): Binding {
  const [first, ...rest] = [...matches].sort((a, b) => a.createdAt - b.createdAt) as [Binding, ...Binding[]];
  const newest = matches.reduce((a, b) => (b.renewedAt > a.renewedAt ? b : a));
  draft.bindings = draft.bindings.filter((b) => !rest.includes(b));
  const { ending: _, ...living } = first;
  const reportedAt = matches.map((b) => b.reportedAt).find((at) => at !== undefined);
  const merged = draft.replace({
    ...living,
    ...(matches.every((b) => b.ending) && first.ending ? { ending: first.ending } : {}),
    evidence: { ...newest.evidence, ...first.evidence },
    ...(reportedAt === undefined ? {} : { reportedAt }),
    targets: newest.targets,
    contacts: matches.flatMap((b) => b.contacts),
    renewedAt: newest.renewedAt,
    endsAt: latest(first.endsAt, ...rest.map((b) => b.endsAt)),
    sent: newest.sent,
  });
  draft.report('merged', merged.id);
  return merged;
}

function pushSwitchedOff(draft: Draft, contact: SeenContact, at: Instant): void {
  const evidence = {
    pbx: contact.pbx,
    uri: contact.uri,
    ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
  };
  for (const b of draft.bindings.filter((x) => isSameDevice(x, evidence) && !isOutdated(x, at))) {
    if (endsByUnregister(draft, b)) draft.bury(b, 'unregistered');
  }
}

/** Apps that report over HTTP unregister when they go to the background, and report it when the account is removed. */
function endsByUnregister(draft: Draft, b: Binding): boolean {
  return b.reportedAt === undefined && draft.policy(b).onUnregister === 'end';
}

/** Two REGISTERs in one breath may be told in the wrong order: what happened before the last renewal ends nothing. */
function isOutdated(b: Binding, at: Instant): boolean {
  return at < b.renewedAt;
}

// ── A contact went away ──────────────────────────────────────────────────────────────────────────────────────────────

/**
 * "Removed" may be log-out, expiry or a closed socket; we cannot tell, so it never ends a binding. But a contact that
 * lived until t proves a REGISTER no earlier than t − granted.
 */
function contactRemoved(draft: Draft, event: Extract<LifecycleEvent, { type: 'ContactRemoved' }>): void {
  for (const b of [...draft.bindings]) {
    const gone = b.contacts.find((c) => c.pbx === event.pbx && c.uri === event.uri);
    if (!gone) continue;
    const provedAt = plus(event.at, -(gone.grantedMs ?? event.maximumMs) - REMOVED_SLACK);
    const contacts = b.contacts.filter((c) => c !== gone);
    const ending = b.ending && contacts.length === 0 ? { ...b.ending, contact: 'gone' as const } : b.ending;
    const advance = between(b.renewedAt, provedAt);
    const renewed = advance > 0 && b.ending === undefined;
    const lifetime = lifetimeOf(b, draft.policy(b));
    const next = draft.replace({
      ...b,
      contacts,
      ...(ending ? { ending } : {}),
      ...(renewed
        ? {
            renewedAt: provedAt,
            endsAt: latest(b.endsAt, plus(provedAt, lifetime)),
            // Only a proof that makes a new lifetime forgets what was sent in the old one.
            sent: advance >= worthWriting(lifetime) ? [] : b.sent,
          }
        : {}),
    });
    finishEnding(draft, next);
  }
}

function unregistered(draft: Draft, event: Extract<LifecycleEvent, { type: 'Unregistered' }>): void {
  const { pbx, uri } = event;
  const params = uri === undefined ? undefined : pushParamsOf(uri, appChosen(draft.bindings));
  for (const b of [...draft.bindings]) {
    const here = b.contacts.filter((c) => c.pbx === pbx);
    const named = here.filter((c) => uri === undefined || c.uri === uri || sameContact(c.uri, uri));
    // Asleep for so long that its contact expired, and then logged out: its token names it. With another contact here it
    // has only moved, and some apps log their old contact out, token and all.
    const byToken = here.length === 0 && params?.kind === 'push' && shareToken(b.targets, params.targets);
    if ((named.length === 0 && !byToken) || isOutdated(b, event.at)) continue;
    if (endsByUnregister(draft, b)) draft.bury(b, 'unregistered');
    else draft.replace({ ...b, contacts: b.contacts.filter((c) => !named.includes(c)) });
  }
}

function contactGone(draft: Draft, event: Extract<LifecycleEvent, { type: 'ContactGone' }>): void {
  const b = draft.find(event.bindingId);
  if (!b) return;
  const contacts = b.contacts.filter((c) => c.pbx !== event.pbx || c.uri !== event.uri);
  if (contacts.length === b.contacts.length && !b.ending) return;
  const ending = b.ending && contacts.length === 0 ? { ...b.ending, contact: 'gone' as const } : b.ending;
  finishEnding(draft, draft.replace({ ...b, contacts, ...(ending ? { ending } : {}) }));
}

// ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function ticked(draft: Draft, event: Extract<LifecycleEvent, { type: 'Ticked' }>): void {
  if (event.asked === 'missing') return aorMissing(draft);
  if (draft.missingSince !== undefined && event.asked === 'held') {
    draft.missingSince = undefined;
    draft.dirty = true;
  }
  for (const b of [...draft.bindings]) {
    if (bindingDueAt(b, draft.policy(b)) > draft.now) continue;
    if (event.asked === 'unknown' || event.braked) putOff(draft, b, event.braked ? 'brake' : 'pbx unknown');
    else if (b.ending) continueEnding(draft, b);
    else actOnTime(draft, b);
  }
}

/** Unknown is never absent: nothing is sent and nothing ends on it. */
function putOff(draft: Draft, b: Binding, reason: string): void {
  const policy = draft.policy(b);
  const times = b.putOff ?? 0;
  const delay = Math.min(policy.putOffMs * 2 ** Math.min(times, 10), policy.putOffMaxMs);
  draft.replace({ ...b, notBefore: plus(draft.now, delay), putOff: times + 1 });
  draft.report('put-off', b.id, reason);
}

function actOnTime(draft: Draft, before: Binding): void {
  const policy = draft.policy(before);
  const { notBefore: _, putOff: __, ...b } = before;
  const notice = nextNotice(b, policy);
  if (notice && notice.at <= draft.now) return warn(draft, b, notice.offset);
  if (b.endsAt <= draft.now && !notice) {
    return beginEnding(draft, b, isLive(b) ? 'age' : 'never-registered', { silent: false });
  }
  const refreshAt = nextRefresh(b, policy);
  if (refreshAt !== undefined && refreshAt <= draft.now && b.targets.other) {
    const target = b.targets.other;
    draft.replace({
      ...b,
      sent: [...b.sent.filter((s) => s.kind !== 'refresh'), { kind: 'refresh', at: draft.now, done: true }],
    });
    draft.effects.push({
      type: 'sendRefresh',
      bindingId: b.id,
      target,
      collapseId: collapseId(target, 'refresh', b.renewedAt),
      expiresAt: plus(draft.now, refreshLasts(b, policy, draft.now)),
      ...(isUrgent(b, policy, draft.now) ? { urgent: true } : {}),
    });
    return;
  }
  draft.replace(b);
}

/** Of the last two before the end: Android puts quiet ones off while the phone lies still. After the last notice none comes. */
function isUrgent(b: Binding, policy: Policy, now: Instant): boolean {
  const rest = Math.max(0, ...policy.noticeOffsetsMs.filter((offset) => offset <= policy.refreshEveryMs));
  return between(now, b.endsAt) <= rest + 2 * policy.refreshEveryMs;
}

/**
 * How long the service may keep a refresh for a phone that is off. Apple keeps one push per app: a stored silent one would
 * displace a notice that waits there already, or the one that comes next.
 */
function refreshLasts(b: Binding, policy: Policy, now: Instant): DurationMs {
  if (b.sent.some((s) => s.kind !== 'refresh')) return MINUTE;
  const next = nextNotice(b, policy);
  const untilQuiet = next ? between(now, next.at) - policy.quietBeforeNoticeMs : HOUR;
  return Math.max(MINUTE, Math.min(policy.refreshEveryMs / 2, untilQuiet));
}

/**
 * *Expires soon.* Where blindness, downtime or a clock jump made it late, the end moves out, so that nobody is cut off
 * with less than eleven twelfths of the time the notice promises.
 */
function warn(draft: Draft, b: Binding, offset: DurationMs): void {
  const target = b.targets.other;
  if (!target) return;
  const policy = draft.policy(b);
  const left = between(draft.now, b.endsAt);
  const endsAt = left < offset - offset / 12 ? plus(draft.now, offset) : b.endsAt;
  const kind = noticeKind(offset);
  draft.replace({
    ...b,
    endsAt,
    sent: [...b.sent.filter((s) => s.kind !== kind), { kind, at: draft.now, done: false }],
  });
  draft.effects.push({
    type: 'sendNotice',
    bindingId: b.id,
    target,
    notice: 'soon',
    kind,
    endsAt,
    collapseId: collapseId(target, 'notice', b.renewedAt),
    expiresAt: latest(endsAt, plus(draft.now, policy.resendAfterMs)),
  });
  draft.report('warned', b.id, kind);
}

/** One banner for the three accounts of one app, and one for a push that had to be repeated. At most 64 bytes. */
export function collapseId(target: Target, kind: string, lifetime: Instant): string {
  return fingerprint(`${target.token.reveal()} ${kind} ${Math.floor(lifetime / DAY)}`);
}

// ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** *Ending* is stored, because a crash, a late REGISTER and a dead push service may fall between any two of its steps. */
function beginEnding(draft: Draft, b: Binding, reason: EndReason, how: { silent: boolean }): void {
  if (b.ending) return;
  const { notBefore: _, putOff: __, ...rest } = b;
  const next = draft.replace({
    ...rest,
    ending: {
      reason,
      since: draft.now,
      notice: how.silent || !isNotifiable(b) ? 'done' : 'due',
      contact: b.contacts.length === 0 ? 'gone' : 'due',
    },
  });
  draft.report('ending', b.id, reason);
  continueEnding(draft, next);
}

/** Asks for what is still due of an ending. Safe to repeat: the collapse id replaces the banner, 404 is success. */
function continueEnding(draft: Draft, b: Binding): void {
  const ending = b.ending;
  if (!ending) return;
  const policy = draft.policy(b);
  const times = b.putOff ?? 0;
  const retryAt = plus(draft.now, Math.min(policy.resendAfterMs * 2 ** Math.min(times, 10), policy.putOffMaxMs));
  const patient = between(ending.since, draft.now) <= policy.endingPatienceMs;
  // Our own mistake (a wrong key) must not cost the user the last word; a contact nobody can remove expires by itself.
  const notice = patient || b.sent.some((s) => s.kind === 'misconfigured') ? ending.notice : 'done';
  const contact = patient ? ending.contact : 'gone';
  const next = draft.replace({
    ...b,
    notBefore: retryAt,
    putOff: times + 1,
    ending: { ...ending, notice, contact },
  });
  const target = b.targets.other;
  if (next.ending?.notice === 'due' && target) {
    draft.effects.push({
      type: 'sendNotice',
      bindingId: b.id,
      target,
      notice: 'expired',
      kind: 'expired',
      endsAt: b.endsAt,
      collapseId: collapseId(target, 'notice', b.renewedAt),
      expiresAt: plus(draft.now, DAY),
    });
  }
  if (contact === 'due') {
    for (const c of b.contacts) removeContact(draft, b, c.uri, c.pbx, 'ended');
  }
  finishEnding(draft, next);
}

function finishEnding(draft: Draft, b: Binding): void {
  if (b.ending?.notice === 'done' && b.ending.contact === 'gone') draft.bury(b, b.ending.reason);
}

function aorMissing(draft: Draft): void {
  if (draft.missingSince === undefined) {
    draft.missingSince = draft.now;
    draft.dirty = true;
  } else {
    const since = draft.missingSince;
    const gone = draft.bindings.filter((b) => between(since, draft.now) >= draft.policy(b).aorMissingMs);
    for (const b of gone) draft.bury(b, 'aor-deleted');
  }
  for (const b of draft.bindings) {
    if (bindingDueAt(b, draft.policy(b)) <= draft.now) {
      draft.replace({ ...b, notBefore: plus(draft.now, draft.policy(b).aorMissingMs) });
    }
  }
}

// ── What the services answered ───────────────────────────────────────────────────────────────────────────────────────

function noticeSettled(draft: Draft, event: Extract<LifecycleEvent, { type: 'NoticeSettled' }>): void {
  const b = draft.find(event.bindingId);
  if (!b) return;
  const policy = draft.policy(b);
  const delivered = event.outcome === 'sent' || event.outcome === 'lost';
  if (event.kind === 'expired') {
    if (!b.ending || b.ending.notice === 'done') return;
    if (delivered) finishEnding(draft, draft.replace({ ...b, ending: { ...b.ending, notice: 'done' } }));
    else if (event.outcome === 'misconfigured' && !b.sent.some((s) => s.kind === 'misconfigured')) {
      // Our own mistake must not cost the user the last word: keep trying until it is mended.
      draft.replace({ ...b, sent: [...b.sent, { kind: 'misconfigured', at: draft.now, done: true }] });
    }
    return;
  }
  const mark = b.sent.find((s) => s.kind === event.kind);
  if (!mark || mark.done || b.ending) return;
  if (delivered) {
    draft.replace({ ...b, sent: b.sent.map((s) => (s === mark ? { ...s, done: true } : s)) });
    return;
  }
  // The user was not told. The mark goes, the notice is due again, and when it goes out late the end moves out.
  const times = b.putOff ?? 0;
  const delay = Math.min(policy.putOffMs * 2 ** Math.min(times, 10), policy.putOffMaxMs);
  draft.replace({ ...b, sent: b.sent.filter((s) => s !== mark), notBefore: plus(draft.now, delay), putOff: times + 1 });
  draft.report('put-off', b.id, `push service: ${event.outcome}`);
}

function tokenDied(draft: Draft, event: Extract<LifecycleEvent, { type: 'TokenDied' }>): void {
  const b = draft.find(event.bindingId);
  if (!b) return;
  // A verdict about a token that was replaced meanwhile, or that registered again after it is said to have died.
  if (!targetList(b.targets).some((t) => t.token.fingerprint === event.token)) return;
  if (event.since !== undefined && b.renewedAt > event.since) return;
  const alive = (t: Target | undefined) => (t && t.token.fingerprint !== event.token ? t : undefined);
  const call = alive(b.targets.call);
  const other = alive(b.targets.other);
  if (call) {
    // Calls still reach it; only the notices' token is dead.
    draft.replace({
      ...b,
      targets: { call },
      endsAt: latest(b.endsAt, plus(b.renewedAt, lifetimeOf({ targets: { call } }, draft.policy(b)))),
    });
    return;
  }
  const next = draft.replace({ ...b, targets: other ? { other } : {} });
  beginEnding(draft, next, 'token-dead', { silent: other === undefined });
}

function wakeSettled(draft: Draft, event: Extract<LifecycleEvent, { type: 'WakeSettled' }>): void {
  const b = draft.find(event.bindingId);
  if (!b || b.ending) return;
  const wakes = withWake(b.wakes, event.registered, event.afterMs);
  if (event.registered) {
    if (b.unansweredWakes > 0 || isWorthKeeping(b.wakes, true)) draft.replace({ ...b, wakes, unansweredWakes: 0 });
    return;
  }
  const unansweredWakes = b.unansweredWakes + 1;
  const max = draft.policy(b).maxUnansweredWakes;
  const next = draft.replace({ ...b, wakes, unansweredWakes });
  if (wakesSeldom(next) && !wakesSeldom(b)) draft.report('wakes-seldom', b.id, recordInWords(wakes));
  if (max > 0 && unansweredWakes >= max) beginEnding(draft, next, 'unreachable', { silent: false });
}
