/** A contact went away: log-out, expiry or a closed socket. */
import { appChosen, type Binding } from '../binding.ts';
import { sameContact } from '../contact-uri.ts';
import type { LifecycleEvent } from '../events.ts';
import { shareToken } from '../identity.ts';
import { pushParamsOf } from '../push-params.ts';
import { lifetimeOf } from '../schedule.ts';
import { between, type DurationMs, type Instant, isFromFuture, latest, plus, SECOND } from '../time.ts';
import { type Draft, worthWriting } from './draft.ts';
import { finishEnding } from './ending.ts';

/** Asterisk notices an expiry up to 18.6 s late (sweep every 30 s): a `Removed` proves that much less. */
const REMOVED_SLACK: DurationMs = 30 * SECOND;
/**
 * "Removed" may be log-out, expiry or a closed socket; which of them is not known, so it never ends a binding. But a contact that
 * lived until t proves a REGISTER no earlier than t − granted.
 */
export function contactRemoved(draft: Draft, event: Extract<LifecycleEvent, { type: 'ContactRemoved' }>): void {
  for (const b of [...draft.bindings]) {
    const gone = b.contacts.find((c) => c.pbx === event.pbx && c.uri === event.uri);
    if (!gone) continue;
    const provedAt = plus(event.at, -(gone.grantedMs ?? event.maximumMs) - REMOVED_SLACK);
    const contacts = b.contacts.filter((c) => c !== gone);
    const ending = b.ending && contacts.length === 0 ? { ...b.ending, contact: 'gone' as const } : b.ending;
    const advance = between(b.renewedAt, provedAt);
    const renewed = advance > 0 && b.ending === undefined;
    const lifetime = lifetimeOf(b, draft.policy(b));
    const { lastRefreshAt, ...rest } = b;
    const isNewLifetime = renewed && advance >= worthWriting(lifetime);
    const next = draft.replace({
      ...rest,
      ...(lastRefreshAt === undefined || isNewLifetime ? {} : { lastRefreshAt }),
      contacts,
      ...(ending ? { ending } : {}),
      ...(renewed
        ? {
            renewedAt: provedAt,
            endsAt: latest(b.endsAt, plus(provedAt, lifetime)),
            // Only a proof that makes a new lifetime forgets what was sent in the old one.
            ...(isNewLifetime ? { sent: [] } : {}),
          }
        : {}),
    });
    finishEnding(draft, next);
  }
}

export function unregistered(draft: Draft, event: Extract<LifecycleEvent, { type: 'Unregistered' }>): void {
  const { pbx, uri } = event;
  const params = uri === undefined ? undefined : pushParamsOf(uri, appChosen(draft.bindings));
  for (const b of [...draft.bindings]) {
    const here = b.contacts.filter((c) => c.pbx === pbx);
    const named = here.filter((c) => uri === undefined || c.uri === uri || sameContact(c.uri, uri));
    // The device slept until its contact expired, and then logged out: its token names it. With another contact here it
    // has only moved, and some apps log their old contact out, token and all.
    const byToken = here.length === 0 && params?.kind === 'push' && shareToken(b.targets, params.targets);
    if ((named.length === 0 && !byToken) || isOutdated(b, event.at, draft.now)) continue;
    if (endsByUnregister(draft, b)) draft.bury(b, 'unregistered');
    else draft.replace({ ...b, contacts: b.contacts.filter((c) => !named.includes(c)) });
  }
}

export function contactGone(draft: Draft, event: Extract<LifecycleEvent, { type: 'ContactGone' }>): void {
  const b = draft.find(event.bindingId);
  if (!b) return;
  const contacts = b.contacts.filter((c) => c.pbx !== event.pbx || c.uri !== event.uri);
  if (contacts.length === b.contacts.length && !b.ending) return;
  const ending = b.ending && contacts.length === 0 ? { ...b.ending, contact: 'gone' as const } : b.ending;
  finishEnding(draft, draft.replace({ ...b, contacts, ...(ending ? { ending } : {}) }));
}

/** Apps that report over HTTP unregister when they go to the background, and report it when the account is removed. */
export function endsByUnregister(draft: Draft, b: Binding): boolean {
  return b.reportedAt === undefined && draft.policy(b).onUnregister === 'end';
}

/** Two REGISTERs within a moment may be seen in the wrong order: what happened before the last renewal ends nothing. */
export function isOutdated(b: Binding, at: Instant, now: Instant): boolean {
  return at < b.renewedAt && !isFromFuture(b.renewedAt, now);
}
