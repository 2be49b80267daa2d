/** The table of versions that `npm run test:versions` writes into docs/limits.md. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { BEGIN, END, lineOf, type Row, withRows } from './table.ts';

const row = (of: Partial<Row>): Row => ({
  pbx: 'FreeSWITCH',
  version: '1.10.12',
  on: '2026-11-28',
  passed: 40,
  failed: [],
  ...of,
});
const page = (...lines: string[]) => ['above', BEGIN, ...lines, END, 'below'].join('\n');

it.each([
  ['all passed', row({}), '| FreeSWITCH 1.10.12 | 2026-11-28 | 40 of 40 | nothing |'],
  ['one failed', row({ failed: ['a | b\nc'] }), '| FreeSWITCH 1.10.12 | 2026-11-28 | 40 of 41 | a b c |'],
  [
    'many failed',
    row({ failed: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] }),
    '| FreeSWITCH 1.10.12 | 2026-11-28 | 40 of 47 | a; b; c; d; e; 2 more |',
  ],
])('a row: %s', (_, of, line) => {
  expect(lineOf(of)).toBe(line);
});

it('a run replaces the rows of the versions it tried, keeps the others, and sorts by number', () => {
  const old = [
    row({ passed: 1 }),
    row({ pbx: 'Asterisk', version: '22.10.1' }),
    row({ pbx: 'Asterisk', version: '9.1' }),
  ];
  const before = withRows(page(), old);
  const lines = withRows(before, [row({}), row({ version: '1.11.2' })]).split('\n');
  expect(lines.filter((line) => line.startsWith('| ')).map((line) => line.split(' | ')[0])).toEqual([
    '| PBX',
    '| Asterisk 9.1',
    '| Asterisk 22.10.1',
    '| FreeSWITCH 1.10.12',
    '| FreeSWITCH 1.11.2',
  ]);
  expect(lines).toContain(lineOf(row({})));
  expect([lines[0], lines.at(-1)]).toEqual(['above', 'below']);
});

it('docs/limits.md has the place, and rows as the run writes them', () => {
  const limits = readFileSync(fileURLToPath(new URL('../../docs/limits.md', import.meta.url)), 'utf8');
  expect(withRows(limits, [])).toBe(limits);
  expect(() => withRows('no table', [])).toThrow('no place');
});
