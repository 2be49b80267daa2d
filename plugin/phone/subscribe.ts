/** Where this browser is pushed, and what pushwake is told of it (docs/apps-own.md). */
import type { Push } from './pushes.ts';
import type { Account, Subscribed } from './types.ts';

/** base64url as bytes. */
export function unpack(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

function base64url(buffer: ArrayBuffer | null): string {
  const text = String.fromCharCode(...new Uint8Array(buffer ?? new ArrayBuffer(0)));
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Undefined: the browser cannot, or the user does not want it. A subscription with another key of ours is given up for a new one. */
export async function subscribe(
  worker: ServiceWorkerRegistration,
  { vapidPublicKey }: Account,
): Promise<Subscribed | undefined> {
  if (!('pushManager' in worker) || Notification.permission !== 'granted') return undefined;
  const applicationServerKey = unpack(vapidPublicKey);
  const before = await worker.pushManager.getSubscription();
  if (before && base64url(before.options.applicationServerKey) !== vapidPublicKey) await before.unsubscribe();
  const made = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
  return { endpoint: made.endpoint, keys: `${base64url(made.getKey('p256dh'))}.${base64url(made.getKey('auth'))}` };
}

function send(url: string, method: string, body?: object, key?: string): Promise<Response> {
  const headers = {
    ...(key && { authorization: `Bearer ${key}` }),
    ...(body && { 'content-type': 'application/json' }),
  };
  return fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

/** By a code of one use: undefined where it is none, or nobody answers. */
export const logIn = (code: string): Promise<Response | undefined> =>
  send('v1/login', 'POST', { code }).catch(() => undefined);

const device = ({ aor, installId, key }: Account, method: string, body?: object, path = ''): Promise<Response> =>
  send(`../v1/devices/${encodeURIComponent(aor)}/${installId}${path}`, method, body, key);

/** Beside each REGISTER: a report is believed once the account has registered. False: it was not taken. */
export async function report(account: Account, { endpoint, keys }: Subscribed): Promise<boolean> {
  const target = { provider: 'webpush', app: new URL(endpoint).origin, token: `${endpoint}#${keys}` };
  return (await device(account, 'PUT', { call: target, other: target, locale: navigator.language })).ok;
}

/** The account is removed from this browser: its binding ends at once. */
export async function withdraw(account: Account): Promise<void> {
  await device(account, 'DELETE');
}

export async function confirm(account: Account, pushId: string): Promise<void> {
  await device(account, 'POST', { pushId }, '/received');
}

/** `undefined`: nobody knows. */
export async function isAlive({ callId, callKey }: Partial<Push>, withinMs: number): Promise<boolean | undefined> {
  if (callId === undefined || callKey === undefined) return undefined;
  const url = `../v1/calls/${encodeURIComponent(callId)}?key=${encodeURIComponent(callKey)}`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(withinMs) }).catch(() => undefined);
  const { alive } = (await answer?.json().catch(() => undefined)) ?? {};
  return typeof alive === 'boolean' ? alive : undefined;
}
