/// <reference lib="webworker" />
/** The service worker: it is there when the page is closed. A push wakes it; it shows, registers, and opens the page. */
import { add, kept } from './kept.ts';
import { decide, readPush, type Shown } from './pushes.ts';
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
  const actions = (['answer', 'decline'] as const).map((action) => ({ action, title: words()[action] }));
  const sounds = rings && !silent ? { renotify: true, vibrate: [400, 200, 400, 200, 400] } : {};
  const looks = { tag, body, silent, requireInteraction: rings, icon: 'icon-192.png', badge: 'icon-192.png' };
  // The types of today do not know actions and vibration.
  const options = { ...looks, ...sounds, ...(rings && { actions }), data: { opens, callId } } as NotificationOptions;
  return self.registration.showNotification(title, options);
}

/** Not what else its origin shows. */
async function pages(): Promise<readonly WindowClient[]> {
  const all = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return all.filter(({ url }) => url.startsWith(self.registration.scope));
}

const withTag = (tag: string) => self.registration.getNotifications({ tag });

/**
 * One after the other: a `cancel` that comes while its `call` is still asked about takes away what that one shows. And Chromium forgets a notification that
 * it is about to display when it is asked for its notifications meanwhile.
 */
let last: Promise<void> = Promise.resolve();

async function pushed(event: PushEvent): Promise<void> {
  const push = readPush(event.data?.text()) ?? { type: 'unknown', pushId: '', aor: '', expiresAt: 0 };
  const account = await kept('account');
  const { callId } = push;
  // One push that comes twice is shown once, and each must show something: what is there stays.
  const isNew = push.pushId === '' || (await add('pushes', push.pushId));
  const alive = push.type === 'call' ? await isAlive(push, ASK_WITHIN) : undefined;
  const over = alive === false || (callId !== undefined && (await kept('over'))?.includes(callId));
  const shown = callId !== undefined && (await withTag(callId)).length > 0;
  const decision = decide(push, Date.now(), { over: over === true, shown: shown || !isNew }, words());
  for (const tag of decision.close ?? []) for (const n of await withTag(tag)) n.close();
  if (decision.show) await show(decision.show, callId);
  if (push.type === 'cancel' && callId !== undefined) await add('over', callId);
  if (decision.past) await add('calls', decision.past);
  for (const page of await pages()) page.postMessage({ push });
  // What may take long: the next push is not held up by it.
  const rest = (work: Promise<void>) => event.waitUntil(work.catch(() => undefined));
  if (account && isNew && push.pushId !== '') rest(confirm(account, push.pushId));
  if (account && decision.register) rest(register(account));
}

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
self.addEventListener('push', (event) => {
  last = last.then(() => pushed(event)).catch(() => undefined);
  event.waitUntil(last);
});
self.addEventListener('notificationclick', (event) => event.waitUntil(tapped(event)));
// The browser changed the subscription by itself: the page tells the new one when it is opened next.
self.addEventListener('pushsubscriptionchange', (event) => {
  const { phone: title, openMe: body } = words();
  (event as ExtendableEvent).waitUntil(show({ tag: 'notice', title, body, opens: '' }));
});
