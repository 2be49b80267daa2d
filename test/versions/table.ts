/** The table of PBX versions in docs/limits.md: a row per version, put in place of the row that an earlier run wrote for it. Pure. */

export interface Row {
  readonly pbx: 'Asterisk' | 'FreeSWITCH';
  /** As the program says it. */
  readonly version: string;
  /** Day of the run, `2026-11-28`. */
  readonly on: string;
  readonly passed: number;
  /** Names of the tests that failed, or of files that could not be run. */
  readonly failed: readonly string[];
}

export const BEGIN = '<!-- versions: written by `npm run test:versions` -->';
export const END = '<!-- /versions -->';
const HEAD = '| PBX | tried on | passed | what differs |\n|---|---|---|---|';
/** A row stays readable: the run itself prints every name. */
const NAMES_SHOWN = 5;

/** What is known to differ, and why: a version that is not named here differs in what its row names. */
const KNOWN: readonly (readonly [name: string, why: string])[] = [
  [
    'FreeSWITCH 1.11.2',
    'a BYE is answered 5 s late, with or without pushwake ([below](#because-of-the-pbx)), and these tests hang up',
  ],
  ['Asterisk 16.', 'the word for a refusal is another one ([below](#because-of-the-pbx))'],
];

const cell = (text: string) => text.replace(/[\s|]+/g, ' ').slice(0, 120);

export function lineOf(row: Row): string {
  const name = `${row.pbx} ${row.version}`;
  const shown = row.failed.slice(0, NAMES_SHOWN).map(cell);
  const more = row.failed.length > NAMES_SHOWN ? [`${row.failed.length - NAMES_SHOWN} more`] : [];
  const known = KNOWN.find(([of]) => name.startsWith(of))?.[1];
  const differs = [...(known === undefined ? [] : [known]), ...shown, ...more].join('; ') || 'nothing';
  return `| ${name} | ${row.on} | ${row.passed} of ${row.passed + row.failed.length} | ${differs} |`;
}

const nameIn = (line: string) => /^\| (\S+ \S+) \|/.exec(line)?.[1] ?? '';
const byNumber = new Intl.Collator('en', { numeric: true });

/** The page with these rows in its table. Rows of versions that were not tried this time stay. */
export function withRows(page: string, rows: readonly Row[]): string {
  const [before, rest] = page.split(BEGIN);
  const [old, after] = rest?.split(END) ?? [];
  if (before === undefined || old === undefined || after === undefined) {
    throw new Error(`docs/limits.md has no place for the table: ${BEGIN} … ${END}`);
  }
  const lines = new Map(
    old
      .split('\n')
      .flatMap((line) => (/^\| (?:Asterisk|FreeSWITCH) /.test(line) ? [[nameIn(line), line] as const] : [])),
  );
  for (const row of rows) lines.set(`${row.pbx} ${row.version}`, lineOf(row));
  const sorted = [...lines].sort(([one], [other]) => byNumber.compare(one, other)).map(([, line]) => line);
  return `${before}${BEGIN}\n${[HEAD, ...sorted].join('\n')}\n${END}${after}`;
}
