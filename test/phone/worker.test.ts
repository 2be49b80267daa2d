/** The service worker of the phone in the browser, with a worker's surroundings of our own: the order in which pushes are handled is chosen here. */
import { beforeEach, describe, expect, it, vi } from 'vitest';

const asked = vi.hoisted(() => ({ answer: undefined as ((alive: boolean | undefined) => void) | undefined }));
const store = vi.hoisted(() => new Map<string, unknown[]>());

vi.mock('../../plugin/phone/sip.ts', () => ({ registerOnce: vi.fn(async () => undefined) }));
vi.mock('../../plugin/phone/subscribe.ts', () => ({
  confirm: async () => undefined,
  isAlive: () =>
    new Promise((resolve) => {
      asked.answer = resolve;
    }),
}));
vi.mock('../../plugin/phone/kept.ts', () => ({
  kept: async (key: string) => store.get(key),
  add: async (key: string, item: unknown) => {
    const before = store.get(key) ?? [];
    const id = (one: unknown) => (typeof one === 'string' ? one : (one as { id: string }).id);
    if (before.some((one) => id(one) === id(item))) return false;
    store.set(key, [item, ...before]);
    return true;
  },
}));

interface Notice {
  readonly tag: string;
  readonly title: string;
  close(): void;
}

const handlers = new Map<string, (event: unknown) => void>();
const shown = new Map<string, Notice>();

const registration = {
  scope: 'https://phone.example.com/phone/',
  showNotification: async (title: string, { tag }: { tag: string }) =>
    void shown.set(tag, { tag, title, close: () => void shown.delete(tag) }),
  getNotifications: async ({ tag }: { tag: string }) => [...shown.values()].filter((n) => n.tag === tag),
};
vi.stubGlobal('self', {
  navigator: { languages: ['en'] },
  addEventListener: (type: string, handler: (event: unknown) => void) => void handlers.set(type, handler),
  clients: { matchAll: async () => [] },
  registration,
});
// By a name that the compiler does not follow: the worker is written for a browser's types.
const WORKER = '../../plugin/phone/sw.ts';
await import(WORKER);

const CALL = '5f2e8c1a9b7d4e6f8a0b1c2d3e4f5a6b';
const AOR = '1001@example.com';

/** Resolves when its event is through. */
function push(pushwake: object): Promise<unknown> {
  const works: Promise<unknown>[] = [];
  const data = { text: () => JSON.stringify({ pushwake: { aor: AOR, expiresAt: Date.now() + 30_000, ...pushwake } }) };
  handlers.get('push')?.({ data, waitUntil: (work: Promise<unknown>) => works.push(work) });
  // What its handling asks for goes on the same list.
  return (async () => {
    for (const work of works) await work;
  })();
}

const call = (pushId = 'push-1') => push({ type: 'call', pushId, callId: CALL, callKey: 'key' });
const cancel = () => push({ type: 'cancel', pushId: 'push-2', callId: CALL, ended: 'cancelled' });
const titles = () => [...shown.values()].map((n) => n.title);

beforeEach(() => {
  shown.clear();
  store.clear();
  asked.answer = undefined;
});

describe('a call', () => {
  it('is shown when nobody says that it is over', async () => {
    const handled = call();
    await vi.waitFor(() => expect(asked.answer).toBeDefined());
    asked.answer?.(undefined);
    await handled;
    expect(titles()).toEqual(['Incoming call']);
  });

  it.each([
    ['nobody answers', undefined],
    ['the answer was given before it ended', true],
  ])('whose end comes while it is asked about is a missed call: %s', async (_, alive) => {
    const handled = [call(), cancel()];
    await vi.waitFor(() => expect(asked.answer).toBeDefined());
    asked.answer?.(alive);
    await Promise.all(handled);
    expect(titles()).toEqual(['Missed call']);
  });

  it('whose end came before is none, whatever pushwake answers', async () => {
    await cancel();
    const handled = call();
    await vi.waitFor(() => expect(asked.answer).toBeDefined());
    asked.answer?.(true);
    await handled;
    expect(titles()).toEqual(['Missed call']);
  });

  it('is handled though the one before it failed', async () => {
    const { showNotification } = registration;
    registration.showNotification = () => Promise.reject(new Error('not allowed'));
    await cancel();
    registration.showNotification = showNotification;
    await push({ type: 'voicemail', pushId: 'push-3', count: 2 });
    expect(titles()).toEqual(['New voice message']);
  });
});
