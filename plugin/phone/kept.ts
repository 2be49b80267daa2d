/** What this browser keeps, in IndexedDB: page and service worker share it. The SIP password stays here and goes to the PBX alone. */
import { clear, createStore, get, set, update } from 'idb-keyval';
import type { Account, PastCall, Subscribed, Text } from './types.ts';

interface Kept {
  account: Account;
  subscribed: Subscribed;
  calls: readonly PastCall[];
  texts: readonly Text[];
  /** Ids of the last pushes: one that comes twice is one. */
  pushes: readonly string[];
  /** Calls that ended, which a push that comes late must not show. */
  over: readonly string[];
}

const MOST = 100;
const store = createStore('pushwake-phone', 'kept');
const idOf = (item: string | { readonly id: string }) => (typeof item === 'string' ? item : item.id);

export const kept = <K extends keyof Kept>(key: K): Promise<Kept[K] | undefined> => get(key, store);
export const keep = <K extends keyof Kept>(key: K, value: Kept[K]): Promise<void> => set(key, value, store);
export const forgetEverything = (): Promise<void> => clear(store);

type Lists = Pick<Kept, 'calls' | 'texts' | 'pushes' | 'over'>;

/** Puts one more in front of a list, in one transaction, and drops the oldest. False: one with this id is there already. */
export async function add<K extends keyof Lists>(key: K, item: Lists[K][number]): Promise<boolean> {
  let isNew = true;
  const withIt = (before: readonly (typeof item)[] = []) => {
    isNew = before.every((one) => idOf(one) !== idOf(item));
    return isNew ? [item, ...before].slice(0, MOST) : before;
  };
  await update(key, withIt, store);
  return isNew;
}
