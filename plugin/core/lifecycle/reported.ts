/**
 * Devices that report over HTTP (Acrobits apps, apps of one's own): what is reported with the account's key is a claim until the
 * AOR registers, and only then changes or renews anything. Part of the lifecycle; knows nothing of HTTP.
 */
import { type Binding, type Claim, choiceOf } from '../binding.ts';
import type { LifecycleEvent } from '../events.ts';
import { formerTokens, sameTargets, shareToken, targetList, withLibraryOf } from '../identity.ts';
import { lifetimeOf } from '../schedule.ts';
import { afterAnswer, afterNewTokens } from '../signs.ts';
import { between, capped, type DurationMs, type Instant, isFromFuture, latest, MINUTE, plus } from '../time.ts';
import { type Draft, worthWriting } from './draft.ts';
import { deliverTexts } from './texts.ts';
import { judge } from './trouble.ts';

type Event<T extends LifecycleEvent['type']> = Extract<LifecycleEvent, { type: T }>;

/** An app registers and reports when it starts, in either order and on two ways of different length. */
const STARTS_WITHIN: DurationMs = 1 * MINUTE;

export function reported(draft: Draft, event: Event<'Reported'>): void {
  const { at, installId, locale, targets, registeredAt } = event;
  const claim: Claim = {
    at,
    targets,
    ...(installId === undefined ? {} : { installId }),
    ...(locale === undefined ? {} : { locale }),
  };
  const known = draft.bindings.filter((b) => isOf(b, claim));
  if (known.some((b) => isOutdated(b, claim))) return;
  if (isBorneOut(claim, registeredAt)) {
    const [first, ...others] = [...known].sort((a, b) => a.createdAt - b.createdAt);
    // Two bindings turn out to be one device: the older id lives on.
    draft.bindings = draft.bindings.filter((b) => !others.includes(b));
    const contacts = others.flatMap((b) => b.contacts);
    const binding = first ?? blank(draft, event);
    if (!first) draft.bindings.push(binding);
    return take(
      draft,
      contacts.length > 0 ? { ...binding, contacts: [...binding.contacts, ...contacts] } : binding,
      claim,
    );
  }
  const binding = known.find((b) => b.claim?.installId === installId || isKnownInstall(b, installId)) ?? known[0];
  if (!binding) {
    draft.bindings.push({ ...blank(draft, event), claim });
    draft.dirty = true;
    return draft.report('claimed', event.newId);
  }
  const before = binding.claim;
  const isSame = before !== undefined && before.locale === locale && sameTargets(before.targets, targets);
  if (
    isSame &&
    !isFromFuture(before.at, at) &&
    between(before.at, at) < worthWriting(draft.policy(binding).neverRegisteredMs)
  )
    return;
  const endsAt = isOnlyAClaim(binding) ? endOf(draft, claim) : binding.endsAt;
  draft.replace({ ...binding, claim, endsAt, ...(isOnlyAClaim(binding) ? { renewedAt: at } : {}) });
}

/** The AOR registered at `registeredAt` or later: what was claimed since holds. */
export function confirmClaims(draft: Draft, registeredAt: Instant | undefined): void {
  for (const b of [...draft.bindings]) {
    if (b.claim && isBorneOut({ at: capped(b.claim.at, draft.now) }, registeredAt)) take(draft, b, b.claim);
  }
}

export function withdrawn(draft: Draft, event: Event<'ReportWithdrawn'>): void {
  for (const b of [...draft.bindings]) {
    // What was learned from SIP alone is not taken back over HTTP.
    if (b.reportedAt === undefined && !b.claim) continue;
    const tokens = [...targetList(b.targets), ...targetList(b.claim?.targets ?? {})].map((t) => t.token.fingerprint);
    if (!isKnownInstall(b, event.installId) && !tokens.some((t) => event.tokens.includes(t))) continue;
    draft.bury(b, 'removed');
  }
}

export function answered(draft: Draft, event: Event<'ReportedDeviceAnswered'>): void {
  const b = draft.find(event.bindingId);
  if (b?.reportedAt === undefined) return;
  renewFrom(draft, b, event.at);
  deliverTexts(draft, b.id);
}

function isBorneOut(claim: Pick<Claim, 'at'>, registeredAt: Instant | undefined): boolean {
  return registeredAt !== undefined && between(claim.at, registeredAt) >= -STARTS_WITHIN;
}

function isKnownInstall(b: Binding, installId: string | undefined): boolean {
  return installId !== undefined && (b.evidence.installId === installId || b.claim?.installId === installId);
}

function isOf(b: Binding, claim: Claim): boolean {
  if (isKnownInstall(b, claim.installId)) return true;
  return shareToken(b.targets, claim.targets) || (b.claim !== undefined && shareToken(b.claim.targets, claim.targets));
}

/** A report with a token that the device has given up was sent before the change: it came late, or somebody repeats it. */
function isOutdated(b: Binding, claim: Claim): boolean {
  const former = b.evidence.formerTokens ?? [];
  return targetList(claim.targets).some(({ token }) => former.includes(token.fingerprint));
}

function isOnlyAClaim(b: Binding): boolean {
  return targetList(b.targets).length === 0 && !b.ending;
}

function endOf(draft: Draft, claim: Claim): Instant {
  return plus(claim.at, draft.policyOfNew(claim.targets).neverRegisteredMs);
}

function blank(draft: Draft, event: Event<'Reported'>): Binding {
  const { newId, at, targets } = event;
  return {
    id: newId,
    createdAt: draft.now,
    evidence: {},
    targets: {},
    contacts: [],
    choice: choiceOf(draft.bindings),
    renewedAt: at,
    endsAt: endOf(draft, { at, targets }),
    sent: [],
    unansweredWakes: 0,
  };
}

/** What was claimed is now so: the tokens, and a new lifetime from the report on. */
function take(draft: Draft, binding: Binding, claim: Claim): void {
  const { claim: _, ...b } = binding;
  const isNew = isOnlyAClaim(binding);
  const changed = !sameTargets(b.targets, claim.targets);
  const installId = claim.installId ?? b.evidence.installId;
  const next: Binding = {
    ...b,
    evidence: {
      ...b.evidence,
      ...(installId === undefined ? {} : { installId }),
      ...(changed && !isNew ? { formerTokens: formerTokens([b], claim.targets) } : {}),
    },
    ...(claim.locale === undefined ? {} : { locale: claim.locale }),
    targets: withLibraryOf(b.targets, claim.targets),
    reportedAt: claim.at,
  };
  const learned =
    changed ||
    b.locale !== next.locale ||
    b.evidence.installId !== installId ||
    b.reportedAt === undefined ||
    binding.claim !== undefined;
  if (isNew) {
    const endsAt = plus(claim.at, lifetimeOf(next, draft.policy(next)));
    draft.replace({ ...next, renewedAt: claim.at, endsAt });
    return draft.report('bound', b.id);
  }
  if (learned) draft.replace(next);
  renewFrom(draft, next, claim.at, changed);
}

/** A new lifetime, whatever was planned; written only if it is worth it. */
function renewFrom(draft: Draft, b: Binding, at: Instant, tokensChanged = false): void {
  const lifetime = lifetimeOf(b, draft.policy(b));
  const before = capped(b.renewedAt, draft.now);
  const advance = between(before, at);
  const { ending, notBefore, putOff: _, lastRefreshAt: __, signs: ___, missed, ...rest } = b;
  const signs = tokensChanged ? afterNewTokens(b.signs) : afterAnswer(b.signs);
  const isPlanned =
    b.sent.length > 0 ||
    b.lastRefreshAt !== undefined ||
    ending !== undefined ||
    b.unansweredWakes > 0 ||
    missed !== undefined ||
    signs !== b.signs ||
    notBefore !== undefined;
  if (!tokensChanged && !isPlanned && advance < worthWriting(lifetime)) return;
  const renewedAt = latest(before, at);
  draft.replace({
    ...rest,
    renewedAt,
    // An end that was moved out (a notice was late) does not move back.
    endsAt: latest(plus(renewedAt, lifetime), ending || tokensChanged ? undefined : b.endsAt),
    sent: [],
    unansweredWakes: 0,
    ...(signs && { signs }),
  });
  draft.report(ending ? 'revived' : tokensChanged ? 'token-changed' : 'renewed', b.id);
  judge(draft, b.id);
}
