/** What this browser keeps, in IndexedDB: page and service worker share it. The SIP password stays here and goes to the PBX alone. */

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
const STORE = 'kept';
let database: Promise<IDBDatabase> | undefined;

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  database ??= new Promise((resolve, reject) => {
    const opening = indexedDB.open('pushwake-phone', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  return (await database).transaction(STORE, mode).objectStore(STORE);
}

export async function kept<K extends keyof Kept>(key: K): Promise<Kept[K] | undefined> {
  return settled((await store('readonly')).get(key));
}

export async function keep<K extends keyof Kept>(key: K, value: Kept[K]): Promise<void> {
  await settled((await store('readwrite')).put(value, key));
}

/** Puts one more in front of a list, in one transaction, and drops the oldest. False: one with this id is there already. */
export async function add<K extends 'calls' | 'texts' | 'pushes' | 'over'>(
  key: K,
  item: Kept[K][number],
): Promise<boolean> {
  const to = await store('readwrite');
  const before = ((await settled(to.get(key))) ?? []) as readonly (typeof item)[];
  const idOf = (x: typeof item) => (typeof x === 'string' ? x : x.id);
  if (before.some((x) => idOf(x) === idOf(item))) return false;
  await settled(to.put([item, ...before].slice(0, MOST), key));
  return true;
}

export async function forgetEverything(): Promise<void> {
  await settled((await store('readwrite')).clear());
}
