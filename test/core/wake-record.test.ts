import { describe, expect, it } from 'vitest';
import { isWorthKeeping, sleptLately, type WakeRecord, withWake } from '../../plugin/core/wake-record.ts';

const ten = (ms: number): WakeRecord => Array.from({ length: 10 }, () => ms);

describe('whether a device slept lately', () => {
  it.each<[boolean, string, WakeRecord | undefined]>([
    [false, 'nothing is known', undefined],
    [false, 'one call, and it came late', [1_700]],
    [true, 'one call, and it did not come', [null]],
    [true, 'it came late for the last two', [20, 1_700, 501]],
    [false, '500 ms is what an awake phone may take', [1_700, 500]],
    [false, 'it came late for the last one only', [20, 1_700]],
    [false, 'it was awake at the last one', [1_700, 1_700, 20]],
    [false, 'it came late once it had not come', [null, 1_700]],
  ])('%s: %s', (slept, _what, record) => expect(sleptLately(record)).toBe(slept));
});

describe('what is written to disk', () => {
  it.each<[boolean, string, WakeRecord | undefined, number | null]>([
    [true, 'the first', undefined, 1_700],
    [true, 'one of the first ten', [1_700], 1_700],
    [false, 'one more of a phone that always wakes', ten(1_700), 1_900],
    [false, 'one more of a phone that is always awake', ten(20), 30],
    [true, 'it did not come', ten(1_700), null],
    [true, 'it was awake this time', ten(1_700), 20],
    [true, 'it slept this time', ten(20), 1_700],
    [true, 'it slept again', [...ten(20), 1_700].slice(-10), 1_700],
    [false, 'it slept a third time', [...ten(20), 1_700, 1_700].slice(-10), 1_700],
  ])('%s: %s', (kept, _what, before, ms) =>
    expect(isWorthKeeping(before, withWake(before, ms !== null, ms ?? undefined))).toBe(kept),
  );
});
