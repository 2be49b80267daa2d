/// <reference lib="webworker" />
/** The service worker: it is there when the page is closed. A push wakes it; it shows, registers, and opens the page. */
import { add, kept } from './kept.ts';
import { decide, type Push, readPush, type Shown } from './pushes.ts';
import { registerOnce } from './sip.ts';
import { confirm, isAlive } from './subscribe.ts';
import type { Account } from './types.ts';
import { wordsFor } from './words.ts';

declare const self: ServiceWorkerGlobalScope;
// JsSIP asks the window whether there is WebRTC; here there is none, and a call that comes now is for the page.
(self as unknown as { window: unknown }).window = self;

/** An app that was pushed asks whether the call is still there; it rings when nobody says so in time (ms). */
const ASK_WITHIN = 1_500;
/** A browser ends a worker some 30 s after its push. */
const REGISTER_WITHIN = 20_000;

const words = () => wordsFor(self.navigator.languages);

function show({ tag, title, body, rings = false, silent = false, opens }: Shown, callId?: string): Promise<void> {
  const { answer, decline } = words();
  const actions = rings
    ? [answer, decline].map((text, i) => ({ action: i === 0 ? 'answer' : 'decline', title: text }))
    : [];
  const sounds = rings && !silent ? { renotify: true, vibrate: [400, 200, 400, 200, 400] } : {};
  const looks = { tag, body, silent, requireInteraction: rings, icon: 'icon-192.png', badge: 'icon-192.png', actions };
  // The types of today do not know actions and vibration.
  const options = { ...looks, ...sounds, data: { opens, callId } } as NotificationOptions;
  return self.registration.showNotification(title, options);
}

/** Not what else its origin shows. */
async function pages(): Promise<readonly WindowClient[]> {
  const all = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return all.filter(({ url }) => url.startsWith(self.registration.scope));
}

const withTag = (tag: string) => self.registration.getNotifications({ tag });

async function pushed(text: string | undefined): Promise<void> {
  const push = readPush(text) ?? { type: 'unknown', pushId: '', aor: '', expiresAt: 0 };
  const account = await kept('account');
  const { callId } = push;
  // One push that comes twice is shown once, and each must show something: what is there stays.
  const isNew = push.pushId === '' || (await add('pushes', push.pushId));
  const over = callId !== undefined && ((await kept('over'))?.includes(callId) || (await isOver(push)));
  const shown = callId !== undefined && (await withTag(callId)).length > 0;
  const decision = decide(push, Date.now(), { over: over === true, shown: shown || !isNew }, words());
  if (decision.show) await show(decision.show, callId);
  for (const tag of decision.close ?? []) for (const n of await withTag(tag)) n.close();
  if (push.type === 'cancel' && callId !== undefined) await add('over', callId);
  if (decision.past) await add('calls', decision.past);
  for (const page of await pages()) page.postMessage({ push });
  await Promise.allSettled([
    account && isNew && push.pushId !== '' ? confirm(account, push.pushId) : undefined,
    account && decision.register ? register(account) : undefined,
  ]);
}

const isOver = async (push: Push): Promise<boolean> =>
  push.type === 'call' && (await isAlive(push, ASK_WITHIN)) === false;

/** A page that is open is registered, and stays so. */
async function register(account: Account): Promise<void> {
  if ((await pages()).length === 0) await registerOnce(account, await kept('subscribed'), REGISTER_WITHIN);
}

async function tapped({ action, notification }: NotificationEvent): Promise<void> {
  notification.close();
  const { opens, callId } = notification.data ?? {};
  const hash = action && callId ? `${action}=${callId}` : (opens ?? '');
  const [page] = await pages();
  if (!page) return void (await self.clients.openWindow(`./#${hash}`));
  page.postMessage({ hash });
  await page.focus().catch(() => undefined);
}

self.addEventListener('install', () => void self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('push', (event) => event.waitUntil(pushed(event.data?.text())));
self.addEventListener('notificationclick', (event) => event.waitUntil(tapped(event)));
// The browser changed the subscription by itself: the page tells the new one when it is opened next.
self.addEventListener('pushsubscriptionchange', (event) => {
  const { phone: title, openMe: body } = words();
  (event as ExtendableEvent).waitUntil(show({ tag: 'notice', title, body, opens: '' }));
});
