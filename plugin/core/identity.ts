/**
 * Is this the same device? Instance id, or any token in common, or the same host and port at the moment of the change.
 * Later evidence may show that two bindings are one device; `lifecycle.ts` then merges them.
 */
import type { Binding, Target, Targets } from './binding.ts';
import { sourceOf } from './contact-uri.ts';

export interface Evidence {
  readonly pbx: string;
  readonly uri: string;
  readonly instanceId?: string;
  readonly targets?: Targets;
}

/** Whether the evidence points at this binding. */
export function isSameDevice(binding: Binding, evidence: Evidence): boolean {
  // A token is given to one install of one app: sharing it settles the matter, whatever else differs.
  if (evidence.targets && shareToken(binding.targets, evidence.targets)) return true;
  const known = binding.evidence.instanceId;
  if (evidence.instanceId !== undefined && known !== undefined) {
    // Two instance ids that differ are two installs (RFC 5626 §4.1), even on one socket; equal ones are one.
    return evidence.instanceId === known;
  }
  const contacts = binding.contacts.filter((c) => c.pbx === evidence.pbx);
  // Most of what a sweep finds is held as it was; then no address needs to be read.
  if (contacts.length === 0 || contacts.some((c) => c.uri === evidence.uri)) return contacts.length > 0;
  const source = sourceOf(evidence.uri);
  return source !== undefined && contacts.some((c) => sourceOf(c.uri) === source);
}

/**
 * Whether both hold a token of the same install. Google gives an install one id and, in turn, tokens that begin with it: an app that
 * changes from its token to the id, or gets a new token, stays the same device.
 */
export function shareToken(a: Targets, b: Targets): boolean {
  const tokens = targetList(b);
  return targetList(a).some((t) => tokens.some((u) => t.token.equals(u.token) || isSameInstallation(t, u)));
}

function isSameInstallation(a: Target, b: Target): boolean {
  if (a.provider !== 'fcm' || b.provider !== 'fcm' || a.app !== b.app) return false;
  const id = a.token.installation;
  return id !== undefined && id === b.token.installation;
}

export function targetList(targets: Targets): readonly Target[] {
  return [targets.call, targets.other].filter((t) => t !== undefined);
}

/** Same service, app, world and tokens: nothing to write. */
export function sameTargets(a: Targets, b: Targets): boolean {
  const same = (x: Target | undefined, y: Target | undefined) =>
    x === undefined || y === undefined
      ? x === y
      : x.provider === y.provider &&
        x.app === y.app &&
        x.environment === y.environment &&
        x.selector === y.selector &&
        x.token.equals(y.token);
  return same(a.call, b.call) && same(a.other, b.other);
}

/** Whether both are read by the same SIP library, as far as it is known. */
export function sameLibrary(a: Targets, b: Targets): boolean {
  return a.call?.library === b.call?.library && a.other?.library === b.other?.library;
}

/** Targets that came without a word about the library, from a device whose library is known by its REGISTER. */
export function withLibraryOf(before: Targets, { call, other }: Targets): Targets {
  const library = before.call?.library ?? before.other?.library;
  const of = (target: Target) => (library === undefined ? target : { ...target, library });
  return { ...(call && { call: of(call) }), ...(other && { other: of(other) }) };
}

/** Two for each of the last changes. */
const FORMER_MAX = 6;

/** Fingerprints of what a device has given up for its present tokens: of each binding, where two turned out to be one. */
export function formerTokens(
  before: readonly Pick<Binding, 'evidence' | 'targets'>[],
  present: Targets,
): readonly string[] {
  const now = targetList(present).map((t) => t.token.fingerprint);
  const given = before.flatMap((b) => [
    ...(b.evidence.formerTokens ?? []),
    ...targetList(b.targets).map((t) => t.token.fingerprint),
  ]);
  return [...new Set(given)].filter((t) => !now.includes(t)).slice(-FORMER_MAX);
}
