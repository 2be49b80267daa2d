/** A REGISTER, or a contact that a PBX holds: which device it is, and what it proves. */
import { appChosen, type Binding, type Choice, choiceOf, type KnownContact, type Targets } from '../binding.ts';
import type { LifecycleEvent, SeenContact } from '../events.ts';
import { formerTokens, isSameDevice, sameLibrary, sameTargets, shareToken, targetList } from '../identity.ts';
import { pushParamsOf } from '../push-params.ts';
import { isNotifiable, lifetimeOf } from '../schedule.ts';
import { afterNewTokens, afterRegister } from '../signs.ts';
import {
  between,
  CLOCKS_DIFFER,
  capped,
  type DurationMs,
  EXPIRY_ROUNDING,
  type Instant,
  isFromFuture,
  latest,
  MINUTE,
  plus,
  SECOND,
} from '../time.ts';
import { type Draft, worthWriting } from './draft.ts';
import { makeRoom, removeContact } from './ending.ts';
import { endsByUnregister, isOutdated } from './gone.ts';
import { merge } from './merge.ts';
import { isGivenUp, isKnownBy, isOf, isOldNews, isOvertaken } from './old-news.ts';
import { confirmClaims } from './reported.ts';
import { deliverTexts } from './texts.ts';
import { judge } from './trouble.ts';

/** Two looks of the sweeps, each quarter of an hour, with some room (ms). */
const LOOKS_APART: DurationMs = 20 * MINUTE;

const MISPLACED = 'its push parameters stand behind the ">" of the Contact';

export function contactSeen(draft: Draft, event: Extract<LifecycleEvent, { type: 'ContactSeen' }>): void {
  const { contact, live } = event;
  if (isNoNews(draft, event)) return;
  if (draft.missingSince !== undefined) {
    draft.missingSince = undefined;
    draft.dirty = true;
  }
  confirmClaims(draft, live ? event.at : (registeredBetweenLooks(contact, event.at) ?? noEarlierThan(contact)));
  // What the phone wrote counts; the stored URI may hide that push was switched on or off.
  const app = contact.choice ? contact.choice.app : appChosen(draft.bindings);
  const params = pushParamsOf(contact.wireUri ?? contact.uri, app);
  if (params.kind !== 'push') {
    const reason = params.kind === 'unreadable' ? params.reason : contact.misplaced ? MISPLACED : undefined;
    if (reason !== undefined) {
      draft.effects.push({ type: 'notBound', pbx: contact.pbx, reason });
      return;
    }
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
  // While the store is away what was seen waits, for hours: it says how things stood when they were looked at.
  const lookedAt = capped(event.at, draft.now);
  const provedAt = live ? event.at : provedBy(contact, matches, lookedAt);
  if (matches.length === 0) {
    if (!event.binds || (!live && wasBuried(draft, params.targets, provedAt ?? noEarlierThan(contact)))) return;
    if (live && draft.tombstones.some((t) => isOldNews(event.at, t.reason, t.endedAt) && isOf(t, params.targets)))
      return;
    if (provedAt === undefined && !live) return bindNew(draft, event, params.targets, plusHeld(event.at, contact));
    return bindNew(draft, event, params.targets, provedAt ?? event.at);
  }
  const binding = matches.length > 1 ? merge(draft, matches) : (matches[0] as Binding);
  if (live) {
    const { ending } = binding;
    const isOld = ending ? isOldNews(event.at, ending.reason, ending.since) : isOvertaken(binding, contact, event.at);
    if (isOld && isKnownBy(binding, params.targets)) return;
    if (!ending && isGivenUp(binding, contact, params.targets, event.at)) return;
    renew(draft, binding, contact, params.targets, event.at, matches, lookedAt, event.heardAt);
    return deliverTexts(draft, binding.id, { pbx: contact.pbx, uri: contact.uri });
  }
  heldContact(draft, binding, contact, params.targets, provedAt, lookedAt);
}

/**
 * Whether it is a contact that is held as before, of the only device: most of what a sweep finds. Reading its parameters costs more than
 * everything else that a sweep does, so this is decided without.
 */
function isNoNews(draft: Draft, { contact, live, at }: Extract<LifecycleEvent, { type: 'ContactSeen' }>): boolean {
  const [binding, ...others] = draft.bindings;
  if (live || !binding || others.length > 0 || binding.claim || draft.missingSince !== undefined) return false;
  const same = binding.contacts.find((c) => c.pbx === contact.pbx && c.uri === contact.uri);
  if (!same || !isSameDevice(binding, { ...contact, targets: {} })) return false;
  const lookedAt = capped(at, draft.now);
  if (isGrantedMore(contact, same, lookedAt)) return false;
  const proved = provedAtLeast(contact, same, provedBy(contact, [binding], lookedAt));
  if (proved !== undefined && between(capped(binding.renewedAt, draft.now), proved) > EXPIRY_ROUNDING) return false;
  return same.grantedMs !== undefined || grantedAtMost(contact, same, lookedAt) === undefined;
}

/**
 * What a device left at the PBX when it ended, or when it changed its token, must not become a device of its own; a
 * REGISTER since then does.
 */
function wasBuried(draft: Draft, targets: Targets, provedAt: Instant | undefined): boolean {
  const tokens = targetList(targets).map((t) => t.token.fingerprint);
  const isBefore = (at: Instant) => provedAt === undefined || provedAt <= at;
  return (
    draft.tombstones.some((t) => t.tokens.some((token) => tokens.includes(token)) && isBefore(t.endedAt)) ||
    draft.bindings.some(
      (b) => b.evidence.formerTokens?.some((token) => tokens.includes(token)) && isBefore(b.renewedAt),
    )
  );
}

/** A contact that is merely held, of a device we never saw, and nobody knows what was granted: it was alive no earlier than now. */
function plusHeld(at: Instant, contact: SeenContact): Instant {
  return contact.expiresAt !== undefined && contact.expiresAt < at ? contact.expiresAt : at;
}

/** What a held contact proves: a REGISTER at `expiresAt − granted`. Undefined where the granted time is not known. */
function provedBy(contact: SeenContact, candidates: readonly Binding[], now: Instant): Instant | undefined {
  if (contact.expiresAt === undefined) return undefined;
  const known = candidates.flatMap((b) => b.contacts).find((c) => c.pbx === contact.pbx && c.uri === contact.uri);
  const grantedMs = contact.grantedMs ?? grantedAtMost(contact, known, now);
  return grantedMs === undefined ? undefined : plus(contact.expiresAt, -grantedMs);
}

/**
 * What is known of what was granted; each of these bounds is one from above. A look compares two clocks, and may be wrong by what they differ: what was seen
 * stays unless a look speaks clearly against it, and what an earlier look found gives way to a later one.
 */
function grantedAtMost(contact: SeenContact, known: KnownContact | undefined, now: Instant): DurationMs | undefined {
  const looked = least(contact.grantedAtMostMs, grantedSince(contact, known));
  const before = isGrantedMore(contact, known, now) ? undefined : known?.grantedMs;
  if (looked === undefined || before === undefined) return looked ?? before;
  const slack = known?.seenExpiry === undefined ? -CLOCKS_DIFFER : CLOCKS_DIFFER;
  return looked < before + slack ? looked : before;
}

/** A bound of nothing, or less, is none: a clock was far ahead of the other. */
function least(...bounds: readonly (DurationMs | undefined)[]): DurationMs | undefined {
  const known = bounds.filter((ms) => ms !== undefined && ms > 0) as DurationMs[];
  return known.length === 0 ? undefined : Math.min(...known);
}

/** The expiry has moved since a look that is stored: there was a REGISTER after that, and it was granted no more than what lies between. */
function grantedSince({ expiresAt }: SeenContact, known: KnownContact | undefined): DurationMs | undefined {
  const before = known?.seenExpiry;
  if (!before || expiresAt === undefined || between(before.expiresAt, expiresAt) <= EXPIRY_ROUNDING) return undefined;
  return between(before.lookedAt, expiresAt);
}

/** Where nobody was told what was granted: no more than the AOR's maximum, which may prove more than the looks do. */
function provedAtLeast(
  contact: SeenContact,
  same: KnownContact | undefined,
  provedAt: Instant | undefined,
): Instant | undefined {
  if (provedAt !== undefined && same?.grantedMs !== undefined) return provedAt;
  const { grantedMs: _, ...rest } = contact;
  const most = noEarlierThan(rest);
  return provedAt === undefined || most === undefined ? (provedAt ?? most) : latest(provedAt, most);
}

/**
 * Whether a contact expires later than the time once granted to it allows: while nobody looked, it was granted more (an app or an
 * administrator changed `Expires`). The known time would put its REGISTER into the future, and prove a lifetime that nothing proves.
 */
function isGrantedMore({ expiresAt }: SeenContact, known: KnownContact | undefined, now: Instant): boolean {
  if (expiresAt === undefined || known?.grantedMs === undefined) return false;
  // With a stamp that is ahead as well, it is our clock that was set back.
  return isFromFuture(plus(expiresAt, -known.grantedMs), now) && !isFromFuture(known.seenAt, now);
}

function bindNew(
  draft: Draft,
  event: Extract<LifecycleEvent, { type: 'ContactSeen' }>,
  targets: Targets,
  renewedAt: Instant,
): void {
  const { contact } = event;
  const choice = contact.choice ?? choiceOf(draft.bindings);
  const policy = draft.policyFor({ targets, choice });
  const binding: Binding = {
    id: event.newId,
    createdAt: draft.now,
    evidence: contact.instanceId === undefined ? {} : { instanceId: contact.instanceId },
    targets,
    contacts: [knownContact(contact, renewedAt, capped(event.at, draft.now))],
    choice: orNothing(choice),
    renewedAt,
    endsAt: plus(latest(renewedAt, event.heardAt), lifetimeOf({ targets }, policy)),
    sent: [],
    unansweredWakes: 0,
  };
  draft.bindings.push(binding);
  draft.dirty = true;
  draft.report('bound', binding.id);
  makeRoom(draft, policy.maxDevicesPerAor);
}

/**
 * A contact whose expiry has moved since the look before, a moment ago: an app that reports over HTTP does so right after it has registered, and
 * which of the two came first within that time does not matter.
 */
function registeredBetweenLooks({ expiresAt, grantedAtMostMs }: SeenContact, lookedAt: Instant): Instant | undefined {
  if (expiresAt === undefined || grantedAtMostMs === undefined) return undefined;
  return between(plus(expiresAt, -grantedAtMostMs), lookedAt) <= LOOKS_APART ? lookedAt : undefined;
}

/** When the REGISTER behind a held contact happened at the earliest: nothing was granted beyond the account's maximum. */
function noEarlierThan({ expiresAt, grantedMs, grantedAtMostMs, maximumMs }: SeenContact): Instant | undefined {
  const most = grantedMs ?? least(grantedAtMostMs, maximumMs);
  return expiresAt === undefined || most === undefined ? undefined : plus(expiresAt, -most);
}

function knownContact(contact: SeenContact, seenAt: Instant, lookedAt: Instant, before?: KnownContact): KnownContact {
  const grantedMs = contact.grantedMs ?? contact.grantedAtMostMs ?? before?.grantedMs;
  const wasTold = before?.grantedMs !== undefined && before.seenExpiry === undefined;
  const isTold = contact.grantedMs !== undefined || (wasTold && grantedMs === before.grantedMs);
  const { expiresAt } = contact;
  return {
    pbx: contact.pbx,
    uri: contact.uri,
    seenAt,
    ...(grantedMs === undefined ? {} : { grantedMs }),
    ...(!isTold && expiresAt !== undefined ? { seenExpiry: { expiresAt, lookedAt } } : {}),
  };
}

/** A REGISTER of a known device: a new lifetime, whatever was planned. */
function renew(
  draft: Draft,
  binding: Binding,
  contact: SeenContact,
  said: Targets,
  at: Instant,
  /** What the device was known by until now: each binding, where two turned out to be one. */
  former: readonly Pick<Binding, 'evidence' | 'targets'>[],
  lookedAt: Instant,
  /** By our clock, where it is far from `at`: a PBX's stamps order what its phones did, and a lifetime is counted by ours. */
  heardAt?: Instant,
  /** Whether the device is gone from another contact of this PBX. By a REGISTER that was heard it is from all of them. */
  isLeft: (other: KnownContact) => boolean = () => true,
): void {
  // `choice` absent: this sensor cannot know it, so the previous value stays.
  const choice = contact.choice ?? binding.choice;
  const targets = withKnownOther(binding.targets, said);
  const policy = draft.policyFor({ targets, choice });
  const same = binding.contacts.find((c) => c.pbx === contact.pbx && c.uri === contact.uri);
  const others = binding.contacts.filter((c) => c.pbx === contact.pbx && c.uri !== contact.uri && isLeft(c));
  const stays = binding.contacts.filter((c) => c !== same && !others.includes(c));
  // A proof of now takes the place of a stamp that cannot be one.
  const before = capped(binding.renewedAt, draft.now);
  const renewedAt = before === binding.renewedAt ? latest(before, at) : at;
  const tokensSame = sameTargets(binding.targets, targets);
  const instanceLearned = contact.instanceId !== undefined && binding.evidence.instanceId !== contact.instanceId;
  // PBXs state an expiry in whole seconds: less than two of them is no news.
  const known = knownContact(contact, at, lookedAt, same);
  const grantedLearned =
    known.grantedMs !== undefined && Math.abs((same?.grantedMs ?? 0) - known.grantedMs) >= 2 * SECOND;
  const advance = between(before, renewedAt);
  const lifetime = lifetimeOf({ targets }, policy);
  const lived = plus(latest(renewedAt, heardAt), lifetime);
  const isLived = heardAt !== undefined && between(binding.endsAt, lived) >= worthWriting(lifetime);
  const signs = tokensSame
    ? afterRegister(binding.signs, at, binding.lastRefreshAt, policy.ringTimeMs)
    : afterNewTokens(binding.signs);
  const significant =
    before !== binding.renewedAt ||
    signs !== binding.signs ||
    binding.missed !== undefined ||
    !tokensSame ||
    !sameLibrary(binding.targets, targets) ||
    !sameChoice(binding.choice, choice) ||
    instanceLearned ||
    grantedLearned ||
    same === undefined ||
    others.length > 0 ||
    binding.sent.length > 0 ||
    binding.lastRefreshAt !== undefined ||
    binding.ending !== undefined ||
    binding.unansweredWakes > 0 ||
    binding.notBefore !== undefined ||
    isLived ||
    advance >= worthWriting(lifetime);
  if (!significant) return;

  const revived = binding.ending !== undefined;
  const given = formerTokens(former, targets);
  const { formerTokens: _, ...evidence } = binding.evidence;
  draft.replace({
    id: binding.id,
    createdAt: binding.createdAt,
    evidence: {
      ...evidence,
      ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
      ...(given.length === 0 ? {} : { formerTokens: given }),
    },
    ...(binding.reportedAt === undefined ? {} : { reportedAt: binding.reportedAt }),
    ...(binding.locale === undefined ? {} : { locale: binding.locale }),
    ...(binding.wakes === undefined ? {} : { wakes: binding.wakes }),
    ...(signs && { signs }),
    ...(binding.trouble && { trouble: binding.trouble }),
    ...(binding.texts && { texts: binding.texts }),
    ...(binding.voicemail && { voicemail: binding.voicemail }),
    targets,
    contacts: [...stays, known],
    choice: orNothing(choice),
    renewedAt,
    endsAt: latest(lived, revived || !sameChoice(binding.choice, choice) ? undefined : sameEnd(binding, targets)),
    sent: [],
    unansweredWakes: 0,
  });
  if (revived) draft.report('revived', binding.id);
  else if (!tokensSame) draft.report('token-changed', binding.id);
  else draft.report('renewed', binding.id);
  judge(draft, binding.id);
  // Each start of a killed app leaves its contact behind, and at max_contacts the phone is locked out with 403.
  for (const old of others)
    removeContact(draft, binding, old.uri, old.pbx, 'replaced', [...former.map((b) => b.targets), targets]);
}

/**
 * Right after a push iOS gives Linphone its VoIP token first: one of its REGISTERs then holds nothing but that. The other token is
 * still the device's; without it the user could no longer be notified. One that is dead is found out by its next push.
 */
function withKnownOther(known: Targets, said: Targets): Targets {
  const { call, other } = known;
  const isPart = said.call !== undefined && said.other === undefined && call?.token.equals(said.call.token) === true;
  return isPart && other?.app === said.call.app && other.provider === said.call.provider ? { ...said, other } : said;
}

function orNothing(choice: Choice | undefined): Choice | undefined {
  return choice?.policy === undefined && choice?.app === undefined ? undefined : choice;
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
  was: Binding,
  seen: SeenContact,
  targets: Targets,
  provedAt: Instant | undefined,
  lookedAt: Instant,
): void {
  const binding = withoutFalseGrant(draft, was, seen, lookedAt);
  const same = binding.contacts.find((c) => c.pbx === seen.pbx && c.uri === seen.uri);
  const grantedAtMostMs = grantedAtMost(seen, same, lookedAt);
  const contact = grantedAtMostMs === undefined ? seen : { ...seen, grantedAtMostMs };
  const at = provedAtLeast(contact, same, provedAt);
  if (at !== undefined && between(capped(binding.renewedAt, draft.now), at) > EXPIRY_ROUNDING) {
    if (isLeftBehind(binding, seen, at, draft.now)) return;
    return renew(draft, binding, contact, targets, at, [binding], lookedAt, undefined, (c) => isEarlier(c, at));
  }
  if (same) {
    const granted = knownContact(contact, same.seenAt, lookedAt, same);
    if (granted.grantedMs !== undefined && same.grantedMs === undefined) {
      const contacts = binding.contacts.map((c) => (c === same ? granted : c));
      draft.replace({ ...binding, contacts });
    }
    return;
  }
  const newest = binding.contacts.filter((c) => c.pbx === contact.pbx).at(-1);
  const sameToken = shareToken(binding.targets, targets);
  const isKnown = (seenAt: Instant) => !isFromFuture(seenAt, draft.now);
  // By what was granted at the most it has registered since then, and perhaps long since.
  const registeredAt = seen.grantedMs === undefined ? undefined : provedAt;
  const isOlder = newest && registeredAt !== undefined && between(registeredAt, newest.seenAt) > EXPIRY_ROUNDING;
  if (isOlder && isKnown(newest.seenAt) && sameToken) {
    // We had asked for its removal once, or were away when the device moved on.
    removeContact(draft, binding, contact.uri, contact.pbx, 'replaced', [binding.targets]);
  } else if (!newest || (sameToken && isLikelyNewer(contact, newest, draft.now))) {
    // It moved while we were away. Its next REGISTER tidies up; until then both are remembered. When it registered nobody knows, but
    // that it did since we last heard of it: an end that counts from then (an old backup was restored, say) would take a living phone.
    const lived = plus(lookedAt, lifetimeOf({ targets }, draft.policy(binding)));
    const { ending, ...rest } = binding;
    // An end by age was such an end.
    const isMistaken = ending?.reason === 'age';
    const outlives = isMistaken || (!ending && lived > binding.endsAt);
    draft.replace({
      ...(isMistaken ? rest : binding),
      ...(outlives ? { endsAt: lived, sent: [] } : {}),
      contacts: [...binding.contacts, knownContact(contact, provedAt ?? binding.renewedAt, lookedAt)],
    });
    if (isMistaken) draft.report('revived', binding.id);
  }
}

/** Of two contacts that are held, and registered within the same seconds, or of which one says nothing of when, nobody knows at which the phone listens. */
function isEarlier({ seenAt, grantedMs }: KnownContact, at: Instant): boolean {
  return grantedMs !== undefined && between(seenAt, at) > EXPIRY_ROUNDING;
}

/** It was granted more than is known: what is known of that is forgotten. */
function withoutFalseGrant(draft: Draft, binding: Binding, seen: SeenContact, lookedAt: Instant): Binding {
  const same = binding.contacts.find((c) => c.pbx === seen.pbx && c.uri === seen.uri);
  if (!same || !isGrantedMore(seen, same, lookedAt)) return binding;
  const { pbx, uri, expiresAt } = seen;
  const anew = knownContact({ pbx, uri, ...(expiresAt === undefined ? {} : { expiresAt }) }, same.seenAt, lookedAt);
  return draft.replace({ ...binding, contacts: binding.contacts.map((c) => (c === same ? anew : c)) });
}

/**
 * The device has registered at another contact since, both by the PBX's own clock, which is ahead of ours: only then can a proof be later
 * than the renewal and earlier than that REGISTER.
 */
function isLeftBehind({ contacts }: Binding, seen: SeenContact, at: Instant, now: Instant): boolean {
  return (
    between(now, at) > EXPIRY_ROUNDING &&
    contacts.some((c) => c.pbx === seen.pbx && c.uri !== seen.uri && c.seenAt > at)
  );
}

/** An app asks for the same time at each start. No proof, so nothing is removed and nothing renewed by it. */
function isLikelyNewer(contact: SeenContact, newest: KnownContact, now: Instant): boolean {
  if (contact.expiresAt === undefined || newest.grantedMs === undefined) return false;
  const registeredAt = plus(contact.expiresAt, -newest.grantedMs);
  const isNewer = registeredAt > newest.seenAt || isFromFuture(newest.seenAt, now);
  return isNewer && registeredAt <= plus(now, EXPIRY_ROUNDING);
}

function pushSwitchedOff(draft: Draft, contact: SeenContact, at: Instant): void {
  const evidence = {
    pbx: contact.pbx,
    uri: contact.uri,
    ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
  };
  for (const b of draft.bindings.filter((x) => isSameDevice(x, evidence) && !isOutdated(x, at, draft.now))) {
    if (endsByUnregister(draft, b)) draft.bury(b, 'unregistered');
  }
}
