/** Two sensors report one REGISTER. What ended between the two reports stays ended: the second one is no news. */
import type { Binding, EndReason, KnownContact, Targets, Tombstone } from '../binding.ts';
import { sameAddress } from '../contact-uri.ts';
import { targetList } from '../identity.ts';
import { between, type DurationMs, type Instant, SECOND } from '../time.ts';

/** The second report comes up to this much later (ms). */
const SECOND_REPORT: DurationMs = 5 * SECOND;

/**
 * A drop by hand counts from the moment at which it is carried out, and a token is dead from the moment at which its service says so: a REGISTER from
 * just before that is one which both sensors report. It speaks against any other end: a log-out is read late, and the phone may have
 * registered again since.
 */
export function isOldNews(at: Instant, reason: EndReason, endedAt: Instant): boolean {
  const ms = between(at, endedAt);
  return (reason === 'dropped' || reason === 'token-dead') && ms > 0 && ms <= SECOND_REPORT;
}

/** Whether the device has registered at another contact since: what this report says of its tokens, and of where it listens, is over. */
export function isOvertaken(b: Binding, { pbx, uri }: Pick<KnownContact, 'pbx' | 'uri'>, at: Instant): boolean {
  return b.contacts.some((c) => {
    const ms = between(at, c.seenAt);
    return c.pbx === pbx && c.uri !== uri && ms > 0 && ms <= SECOND_REPORT;
  });
}

/** A sensor that looks finds a contact up to this long after its REGISTER, and dates it as early as that (ms). */
const LOOKS_WITHIN: DurationMs = 100;

/**
 * Two REGISTERs at one address within a moment: a look dates the second one too early, and a slower report of the first seems to be the later. Its tokens
 * are those that the device has given up.
 */
export function isGivenUp(
  b: Binding,
  { pbx, uri }: Pick<KnownContact, 'pbx' | 'uri'>,
  said: Targets,
  at: Instant,
): boolean {
  const former = b.evidence.formerTokens ?? [];
  if (!targetList(said).every((t) => former.includes(t.token.fingerprint))) return false;
  return b.contacts.some((c) => {
    const ms = between(c.seenAt, at);
    return c.pbx === pbx && c.uri !== uri && ms >= 0 && ms <= LOOKS_WITHIN && sameAddress(c.uri, uri);
  });
}

/** Whether each of these tokens is the device's, or was: one that is new is news whenever it registered. */
export function isKnownBy({ evidence, targets }: Binding, said: Targets): boolean {
  const known = [...(evidence.formerTokens ?? []), ...targetList(targets).map((t) => t.token.fingerprint)];
  return targetList(said).every((t) => known.includes(t.token.fingerprint));
}

export const isOf = ({ tokens }: Pick<Tombstone, 'tokens'>, targets: Targets): boolean =>
  targetList(targets).every((t) => tokens.includes(t.token.fingerprint));
