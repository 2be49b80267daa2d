/**
 * What every `BindingStore` must do. An adapter's test calls this with a harness and says honestly where its engine differs.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Aor } from '../../plugin/core/aor.ts';
import { encodeRecord } from '../../plugin/core/binding.ts';
import { DAY, HOUR, type Instant, plus } from '../../plugin/core/time.ts';
import { type BindingStore, StoreError } from '../../plugin/ports/binding-store.ts';
import { aorNo, NOW, recordOf } from './binding-store.records.ts';

export interface StoreHarness {
  /** Another instance over the same data, not opened yet. The one before is closed. */
  instance(): BindingStore;
  cleanup(): Promise<void>;
}

export interface HonestDifferences {
  /** `claimDue` leases: who claims again at once gets the others. Default: a store with one writer just reads. */
  readonly leases?: boolean;
  /** `scan` comes in the engine's order. Default: by key. */
  readonly unordered?: boolean;
}

export function bindingStoreContract(
  name: string,
  factory: () => Promise<StoreHarness>,
  differences: HonestDifferences = {},
): void {
  describe(`${name} keeps the contract of a binding store`, () => {
    let harness: StoreHarness;
    let store: BindingStore;
    const A = aorNo(1);

    beforeEach(async () => {
      harness = await factory();
      store = harness.instance();
      await store.open();
    });

    afterEach(async () => {
      await store.close();
      await harness.cleanup();
    });

    const stored = async (aor: Aor, dueAt?: Instant): Promise<void> => {
      expect(await store.put(recordOf(aor, dueAt), 0)).toEqual({ ok: true, version: 1 });
    };
    const scanned = async (): Promise<Aor[]> => {
      const found: Aor[] = [];
      for await (const record of store.scan()) found.push(record.aor);
      return found;
    };

    it('gives back what was put, tokens and all, with its version', async () => {
      await stored(A, NOW);
      const back = await store.get(A);
      const plain = back && JSON.parse(encodeRecord(back));
      expect(plain).toEqual(JSON.parse(encodeRecord({ ...recordOf(A, NOW), version: 1 })));
    });

    it('answers undefined for an AOR it does not have', async () => {
      expect(await store.get(A)).toBeUndefined();
    });

    it('keeps a record of 200 kB', async () => {
      const long = { ...recordOf(A), tombstones: Array.from({ length: 1000 }, () => recordOf(A).tombstones[0]!) };
      expect(await store.put(long, 0)).toEqual({ ok: true, version: 1 });
      expect((await store.get(A))?.tombstones).toHaveLength(1000);
    });

    it('counts versions from the one expected, whatever the record itself says', async () => {
      expect(await store.put({ ...recordOf(A), version: 77 }, 0)).toEqual({ ok: true, version: 1 });
      expect(await store.put({ ...recordOf(A), version: 0 }, 1)).toEqual({ ok: true, version: 2 });
      expect((await store.get(A))?.version).toBe(2);
    });

    it.each([
      ['a new one where there is one already', 0],
      ['one older than stored', 1],
      ['one newer than stored', 3],
    ])('conflict: %s changes nothing', async (_, expected) => {
      await stored(A);
      await store.put(recordOf(A), 1);
      expect(await store.put({ ...recordOf(A), bindings: [] }, expected)).toEqual({ ok: false, reason: 'conflict' });
      expect(await store.get(A)).toMatchObject({ version: 2, bindings: [{ id: 'b1' }] });
    });

    it('conflict: a change of what is not there', async () => {
      expect(await store.put(recordOf(A), 4)).toEqual({ ok: false, reason: 'conflict' });
      expect(await store.get(A)).toBeUndefined();
    });

    it('of 1000 puts at once each version has exactly one winner', async () => {
      for (const expected of [0, 1, 2]) {
        const outcomes = await Promise.all(Array.from({ length: 1000 }, () => store.put(recordOf(A), expected)));
        expect(outcomes.filter((o) => o.ok)).toEqual([{ ok: true, version: expected + 1 }]);
      }
    });

    it('puts of 1000 AORs at once are all there', async () => {
      const all = Array.from({ length: 1000 }, (_, i) => aorNo(i));
      const outcomes = await Promise.all(all.map((aor) => store.put(recordOf(aor), 0)));
      expect(outcomes.every((o) => o.ok)).toBe(true);
      expect((await scanned()).sort()).toEqual(all);
    });

    it('removes a record of the expected version only', async () => {
      await stored(A, NOW);
      expect(await store.remove(A, 2)).toEqual({ ok: false, reason: 'conflict' });
      expect(await store.get(A)).toBeDefined();
      expect((await store.remove(A, 1)).ok).toBe(true);
      expect(await store.get(A)).toBeUndefined();
      expect(await store.claimDue(NOW, 10)).toEqual([]);
    });

    it('removing what is not there is success, and a new record begins again at version 1', async () => {
      expect((await store.remove(A, 5)).ok).toBe(true);
      await stored(A);
      await store.remove(A, 1);
      await stored(A);
    });

    it.each([
      ['just before its time', -1, []],
      ['exactly then', 0, [A]],
      ['just after', 1, [A]],
      ['a year late', 365 * DAY, [A]],
    ])('due %s', async (_, later, expected) => {
      await stored(A, NOW);
      expect(await store.claimDue(plus(NOW, later), 10)).toEqual(expected);
    });

    it('claims the earliest first and no more than asked for', async () => {
      await stored(aorNo(3), plus(NOW, -1));
      await stored(aorNo(1), plus(NOW, -2));
      await stored(aorNo(2), plus(NOW, -30 * DAY));
      await stored(aorNo(4), plus(NOW, 1));
      await stored(aorNo(5));
      expect(await store.claimDue(NOW, 2)).toEqual([aorNo(2), aorNo(1)]);
      expect(await store.claimDue(NOW, 10)).toEqual(differences.leases ? [aorNo(3)] : [aorNo(2), aorNo(1), aorNo(3)]);
    });

    it('a put moves the due time, and one without it clears it', async () => {
      await stored(A, NOW);
      await store.put(recordOf(A, plus(NOW, HOUR)), 1);
      expect(await store.claimDue(NOW, 10)).toEqual([]);
      await store.put(recordOf(A, plus(NOW, -HOUR)), 2);
      expect(await store.countDue(plus(NOW, -HOUR), NOW)).toBe(1);
      await store.put(recordOf(A), 3);
      expect(await store.claimDue(plus(NOW, DAY), 10)).toEqual([]);
    });

    it('a put that lost does not move the due time', async () => {
      await stored(A, NOW);
      await store.put(recordOf(A), 7);
      expect(await store.claimDue(NOW, 10)).toEqual([A]);
    });

    it('counts what falls due, the start included, the end not', async () => {
      await stored(aorNo(1), plus(NOW, -1));
      await stored(aorNo(2), NOW);
      await stored(aorNo(3), plus(NOW, HOUR - 1));
      await stored(aorNo(4), plus(NOW, HOUR));
      await stored(aorNo(5));
      expect(await store.countDue(NOW, plus(NOW, HOUR))).toBe(2);
      expect(await store.countDue(NOW, NOW)).toBe(0);
    });

    it('scans all records, over many pages', async () => {
      const all = Array.from({ length: 2500 }, (_, i) => aorNo(i));
      await Promise.all(all.toReversed().map((aor) => store.put(recordOf(aor), 0)));
      const found = await scanned();
      expect(differences.unordered ? found.sort() : found).toEqual(all);
    });

    it('scans while writes go on: nothing twice, nothing that stayed is missed', async () => {
      const all = Array.from({ length: 1000 }, (_, i) => aorNo(i));
      await Promise.all(all.map((aor) => store.put(recordOf(aor), 0)));
      const found: Aor[] = [];
      let next = 0;
      for await (const record of store.scan()) {
        found.push(record.aor);
        if (next < 300) await store.put(recordOf(aorNo(next)), 1);
        if (next < 100) await store.put(recordOf(aorNo(5000 + next)), 0);
        next++;
      }
      expect(new Set(found).size).toBe(found.length);
      expect(found.filter((aor) => aor < aorNo(1000)).sort()).toEqual(all);
    });

    it('a restart keeps everything, the schedule too', async () => {
      await stored(aorNo(1), NOW);
      await stored(aorNo(2));
      await store.put(recordOf(aorNo(2), plus(NOW, -HOUR)), 1);
      await store.close();
      store = harness.instance();
      await store.open();
      expect((await scanned()).sort()).toEqual([aorNo(1), aorNo(2)]);
      expect((await store.get(aorNo(2)))?.version).toBe(2);
      expect(await store.claimDue(NOW, 10)).toEqual([aorNo(2), aorNo(1)]);
    });

    it('close finishes what was begun', async () => {
      const begun = Array.from({ length: 500 }, (_, i) => store.put(recordOf(aorNo(i)), 0));
      await store.close();
      expect((await Promise.all(begun)).every((o) => o.ok)).toBe(true);
      store = harness.instance();
      await store.open();
      expect(await scanned()).toHaveLength(500);
    });

    it('close may be called again', async () => {
      await Promise.all([store.close(), store.close()]);
      await store.close();
    });

    it('opening twice opens once', async () => {
      await Promise.all([store.open(), store.open()]);
      await stored(A);
    });

    it('everything asked of a closed store rejects with a StoreError: unknown, not absent', async () => {
      await stored(A);
      await store.close();
      await expect(store.get(A)).rejects.toThrow(StoreError);
      await expect(store.put(recordOf(A), 1)).rejects.toThrow(StoreError);
      await expect(store.remove(A, 1)).rejects.toThrow(StoreError);
      await expect(store.claimDue(NOW, 1)).rejects.toThrow(StoreError);
      await expect(store.countDue(NOW, NOW)).rejects.toThrow(StoreError);
      await expect(scanned()).rejects.toThrow(StoreError);
    });
  });
}
