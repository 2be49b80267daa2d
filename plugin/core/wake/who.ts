/** Which device of a call a contact belongs to. */
import { appChosen, type Target } from '../binding.ts';
import { sameAddress, sameContact } from '../contact-uri.ts';
import { isSameDevice, targetList } from '../identity.ts';
import { pushParamsOf } from '../push-params.ts';
import type { CallDraft, DeviceDraft } from './call-draft.ts';
import { hasCome, isDialling, isLost, waitsAnew } from './leg-state.ts';
import type { FreshLeg, StoredContact, WakeDevice } from './types.ts';

export function deviceOf<D extends WakeDevice>(
  call: { readonly pbx: string; readonly devices: readonly D[] },
  contact: StoredContact,
): D | undefined {
  const params = pushParamsOf(contact.uri, appChosen(call.devices.map((d) => d.binding)));
  const evidence = {
    pbx: call.pbx,
    uri: contact.uri,
    ...(params.kind === 'push' ? { targets: params.targets } : {}),
    ...(contact.instanceId === undefined ? {} : { instanceId: contact.instanceId }),
  };
  return call.devices.find((d) => isSameDevice(d.binding, evidence));
}

/**
 * Whose leg rings a contact that no device of the call is known by: it is registered for the account, so a plain dial would
 * ring it. A device that no push wakes gives its leg away first, for it is not expected; then one that reports over HTTP and
 * puts nothing of itself into its Contact; then any that this contact may be. Each contact takes one waiting leg.
 */
export function takenFor(draft: CallDraft, contact: StoredContact): DeviceDraft | undefined {
  const said = saidBy(draft, contact);
  const taken = draft.devices.find(
    ({ legs: { fresh } }) => fresh.contact && isSamePhone(draft, fresh.contact, contact, said),
  );
  if (taken) return taken;
  // A leg rings it whose own device has come since.
  if (draft.devices.some((d) => isDialling(d.legs.fresh.state) && d.legs.fresh.invite?.uri === contact.uri))
    return undefined;
  // Its own leg rings it: a desk phone that registers again.
  if (draft.rungAtOnce.some((uri) => uri === contact.uri || sameContact(uri, contact.uri))) return undefined;
  // A leg that waits for a phone which was dialled in vain is left to it, as long as another one is free.
  const free = draft.devices.filter(isFree).toSorted((a, b) => Number(waitsAnew(a)) - Number(waitsAnew(b)));
  return (
    free.find(isLost) ??
    free.find((d) => d.binding.reportedAt !== undefined && said.length === 0) ??
    free.find((d) => mayBe(d, contact, said))
  );
}

/**
 * The device has come, and what came before it and says tokens of its own has its leg: that goes on ringing, as the leg of another device
 * which has not come and of which it may be a new install. Two phones ring then; without it the one that was woken would not.
 */
export function takeBack(draft: CallDraft, d: DeviceDraft, own: StoredContact): void {
  const { fresh } = d.legs;
  if (!isDialling(fresh.state) || !fresh.contact || fresh.contact.uri === own.uri || !mayBeAnother(d)) return;
  const { contact } = fresh;
  const said = saidBy(draft, contact);
  const others = draft.devices.filter((x) => x !== d && isFree(x));
  // One that was dialled in vain is better than none: its phone may be this very one, installed anew.
  const other = others.find((x) => isLost(x) || mayBe(x, contact, said)) ?? others.find(waitsAnew);
  if (!other) return;
  d.legs.fresh = unused(other.legs.fresh);
  other.legs.fresh = fresh;
  other.rang = d.rang;
  d.rang = false;
}

/**
 * A slower report of its REGISTER says which device it is, and by the faster one it rings as another, which may still come: it has that leg, and its own waits
 * for the other. True: it rings already.
 */
export function takeItsOwn(draft: CallDraft, d: DeviceDraft, own: StoredContact): boolean {
  const { fresh } = d.legs;
  if (isDialling(fresh.state)) return false;
  // Two devices at one address are one phone, however sure each of them is.
  const rings = ({ legs: { fresh: leg } }: DeviceDraft) => isDialling(leg.state) && leg.invite?.uri === own.uri;
  const other = draft.devices.find((x) => x !== d && rings(x));
  if (!other) return false;
  d.legs.fresh = other.legs.fresh;
  d.legs.fresh.isUnproved = false;
  other.legs.fresh = unused(fresh);
  d.rang = other.rang;
  other.rang = false;
  return true;
}

/**
 * Whether what has its leg may be another phone: it says tokens of its own, or nothing of itself where the device names its tokens in all of its
 * REGISTERs. The device may yet come, and what is stored of it be where it listens.
 */
export function mayStillCome(d: WakeDevice): boolean {
  const { isUnproved, contact } = d.legs.fresh;
  if (isUnproved !== true || contact === undefined) return false;
  return mayBeAnother(d) || d.binding.contacts.some((c) => namesTokens(c.uri));
}

const namesTokens = (uri: string) => pushParamsOf(uri).kind === 'push';

/** A leg that waits, for a phone of which nothing is known yet: where another one was sought by it says nothing of this one. */
function unused({ ref, legId, state }: FreshLeg): FreshLeg {
  return { ref, state, ...(legId === undefined ? {} : { legId }) };
}

/** Whether two contacts are of one phone: it says the same of itself at each of its addresses, or has new tokens at the one it had. */
function isSamePhone(draft: CallDraft, a: StoredContact, b: StoredContact, saidByB: readonly Target[]): boolean {
  if (a.instanceId !== undefined && b.instanceId !== undefined) {
    if (a.instanceId === b.instanceId) return true;
  } else if (sameAddress(a.uri, b.uri)) return true;
  return saidBy(draft, a).some((t) => saidByB.some((u) => t.token.equals(u.token)));
}

const isFree = (d: DeviceDraft) =>
  (!hasCome(d) || waitsAnew(d)) && d.declined === undefined && d.legs.fresh.state !== 'ended';

function saidBy(draft: CallDraft, contact: StoredContact): readonly Target[] {
  const params = pushParamsOf(contact.uri, appChosen(draft.devices.map((d) => d.binding)));
  return params.kind === 'push' ? targetList(params.targets) : [];
}

/**
 * Whether the device itself has come. A contact that says a token of its own and took this leg may be another phone: the one that was
 * pushed then still waits for the word.
 */
export function cameItself(d: WakeDevice): boolean {
  return hasCome(d) && !mayBeAnother(d);
}

export function mayBeAnother({ legs: { fresh } }: Pick<WakeDevice, 'legs'>): boolean {
  return fresh.isUnproved === true && fresh.contact !== undefined && namesTokens(fresh.contact.uri);
}

/** Nothing says that it is another install: no other instance id, and no token of another app. */
function mayBe({ binding, target }: WakeDevice, contact: StoredContact, said: readonly Target[]): boolean {
  const { instanceId } = binding.evidence;
  if (instanceId !== undefined && contact.instanceId !== undefined && instanceId !== contact.instanceId) return false;
  return said.length === 0 || said.some((t) => t.provider === target.provider && t.app === target.app);
}
