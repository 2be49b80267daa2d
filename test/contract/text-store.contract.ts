/** What every `TextStore` must do. An adapter's test calls this with a harness. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BindingId } from '../../plugin/core/binding.ts';
import { DAY, plus } from '../../plugin/core/time.ts';
import type { BindingStore } from '../../plugin/ports/binding-store.ts';
import {
  type KeptText,
  MOST_TEXT_BYTES,
  MOST_TEXTS,
  type TextRoom,
  type TextStore,
} from '../../plugin/ports/text-store.ts';
import type { StoreHarness } from './binding-store.contract.ts';
import { aorNo, NOW } from './binding-store.records.ts';

const A = aorNo(1);
const [PHONE, TABLET] = ['b1', 'b2'] as unknown as [BindingId, BindingId];

const room = (ofAccount: number, more: Partial<TextRoom> = {}): TextRoom => ({
  ofAccount,
  inAll: MOST_TEXTS,
  bytesInAll: MOST_TEXT_BYTES,
  ...more,
});

export function textNo(n: number, more: Partial<KeptText> = {}): KeptText {
  return {
    id: `t${String(n).padStart(4, '0')}`,
    aor: A,
    pbx: 'office',
    from: '"Zoë" <sip:2000@example.com>',
    to: '<sip:1001@example.com>',
    contentType: 'text/plain;charset=UTF-8',
    body: `line one\r\nline "two" ${n} žluťoučký 🙂\n`,
    receivedAt: plus(NOW, n),
    expiresAt: plus(NOW, 7 * DAY),
    waiting: [PHONE],
    ...more,
  };
}

export function textStoreContract(name: string, factory: () => Promise<StoreHarness>): void {
  describe(`${name} keeps the contract of a text store`, () => {
    let harness: StoreHarness;
    let store: BindingStore;
    let texts: TextStore;
    const opened = async () => {
      store = harness.instance();
      await store.open();
      texts = (store as Required<BindingStore>).texts();
      await texts.open();
    };
    beforeEach(async () => {
      harness = await factory();
      await opened();
    });
    afterEach(async () => {
      await store.close();
      await harness.cleanup();
    });
    const reopen = async () => {
      await store.close();
      await opened();
    };

    it('gives texts back as they came, in the order in which they came, also after a restart', async () => {
      for (const n of [3, 1, 2]) expect(await texts.keep(textNo(n), room(100))).toBe('kept');
      await reopen();
      expect(await texts.of(A)).toEqual([textNo(1), textNo(2), textNo(3)]);
      expect(await texts.of(aorNo(2))).toEqual([]);
      expect(await texts.accounts()).toEqual([A]);
    });

    it('keeps one of an id, also once it was delivered', async () => {
      expect(await texts.keep(textNo(1), room(100))).toBe('kept');
      expect(await texts.keep(textNo(1, { body: 'again' }), room(100))).toBe('there');
      await texts.taken(A, 't0001', [PHONE], plus(NOW, DAY));
      expect(await texts.of(A)).toEqual([]);
      expect(await texts.accounts()).not.toContain(A);
      await reopen();
      expect(await texts.keep(textNo(1), room(100))).toBe('there');
      expect(await texts.of(A)).toEqual([]);
    });

    it('each device takes it by itself; the content goes with the last', async () => {
      await texts.keep(textNo(1, { waiting: [PHONE, TABLET] }), room(100));
      await texts.taken(A, 't0001', [PHONE], plus(NOW, DAY));
      expect((await texts.of(A)).map((t) => t.waiting)).toEqual([[TABLET]]);
      await texts.taken(A, 't0001', [PHONE], plus(NOW, DAY));
      expect(await texts.of(A)).toHaveLength(1);
      await Promise.all([
        texts.taken(A, 't0001', [TABLET], plus(NOW, DAY)),
        texts.taken(A, 't0001', [PHONE], plus(NOW, DAY)),
      ]);
      expect(await texts.expired(plus(NOW, DAY - 1), 10)).toEqual([]);
      const [done] = await texts.expired(plus(NOW, DAY), 10);
      expect(done).toMatchObject({ aor: A, id: 't0001', waiting: [], body: '' });
      await texts.drop(A, 't0001');
      expect(await texts.expired(plus(NOW, DAY), 10)).toEqual([]);
      expect(await texts.keep(textNo(1), room(100))).toBe('kept');
    });

    it('keeps no more for an account than is said; what was delivered does not count', async () => {
      expect(await texts.keep(textNo(1), room(2))).toBe('kept');
      expect(await texts.keep(textNo(2), room(2))).toBe('kept');
      expect(await texts.keep(textNo(3), room(2))).toBe('full');
      expect(await texts.keep(textNo(2), room(2))).toBe('there');
      await texts.taken(A, 't0001', [PHONE], plus(NOW, DAY));
      expect(await texts.keep(textNo(3), room(2))).toBe('kept');
    });

    it('keeps no more in all than is said, in number and in bytes; what was delivered has no bytes, what was dropped is not there', async () => {
      const long = (n: number) => textNo(n, { body: 'ž'.repeat(8_000) });
      const none = room(100, { inAll: 0 });
      const small = room(100, { bytesInAll: 1_000 });
      expect(await texts.keep(textNo(1), none)).toBe('full');
      expect(await texts.keep(long(1), small)).toBe('full');
      expect(await texts.of(A)).toEqual([]);
      // As much as fits, however the store divides the room: all of it is one account's.
      const wide = room(1_000, { bytesInAll: 40_000 * 64 });
      let kept = 0;
      while ((await texts.keep(long(kept), wide)) === 'kept') kept++;
      expect(kept).toBeGreaterThanOrEqual(2);
      expect(kept).toBeLessThanOrEqual(160);
      expect(await texts.keep(long(0), wide)).toBe('there');
      await reopen();
      expect(await texts.keep(long(500), wide)).toBe('full');
      await texts.taken(A, 't0000', [PHONE], plus(NOW, DAY));
      expect(await texts.keep(long(500), wide)).toBe('kept');
      expect(await texts.keep(long(501), wide)).toBe('full');
      await texts.drop(A, 't0001');
      expect(await texts.keep(long(501), wide)).toBe('kept');
      for (let n = 0; n < kept; n++) await texts.drop(A, textNo(n).id);
      await texts.drop(A, 't0500');
      await texts.drop(A, 't0501');
      await texts.drop(A, 't0501');
      let again = 0;
      while ((await texts.keep(long(again), wide)) === 'kept') again++;
      expect(again).toBe(kept);
    });

    it('names those whose time is over', async () => {
      await texts.keep(textNo(1, { expiresAt: plus(NOW, 5) }), room(100));
      await texts.keep(textNo(2, { expiresAt: plus(NOW, 9), aor: aorNo(2) }), room(100));
      expect(await texts.expired(plus(NOW, 4), 10)).toEqual([]);
      expect((await texts.expired(plus(NOW, 5), 10)).map((t) => t.id)).toEqual(['t0001']);
      expect((await texts.expired(plus(NOW, 9), 10)).map((t) => t.id).sort()).toEqual(['t0001', 't0002']);
      await texts.drop(A, 't0001');
      expect((await texts.expired(plus(NOW, 9), 10)).map((t) => t.id)).toEqual(['t0002']);
    });

    it('lets one deliver to a device at a time', async () => {
      expect(await Promise.all([texts.claim(A, PHONE, 60_000), texts.claim(A, PHONE, 60_000)])).toEqual([true, false]);
      expect(await texts.claim(A, TABLET, 60_000)).toBe(true);
      await texts.release(A, PHONE);
      expect(await texts.claim(A, PHONE, 60_000)).toBe(true);
    });

    it('bears ids and texts that look like something else', async () => {
      const hostile = textNo(1, {
        id: "'; DROP TABLE text; --\u{1F600}",
        body: '\u0000\u0001\n0\n\n1\n',
        from: '\n0\n',
      });
      await texts.keep(hostile, room(100));
      expect(await texts.of(A)).toEqual([hostile]);
    });

    it('a thousand at once are all there', async () => {
      const all = Array.from({ length: 1_000 }, (_, n) => textNo(n));
      const outcomes = await Promise.all(all.map((text) => texts.keep(text, room(1_000))));
      expect(outcomes.every((o) => o === 'kept')).toBe(true);
      expect((await texts.of(A)).map((t) => t.id)).toEqual(all.map((t) => t.id));
    });
  });
}
