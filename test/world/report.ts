/** What was visited, for people. */
import type { Coverage } from './coverage.ts';
import { changesOfStage, stepsOfCalls } from './expected.ts';
import { ALL_KINDS, type FaultKind, KINDS } from './faults.ts';
import { ALL_ROWS } from './push-service.ts';
import { SITES } from './sites.ts';
import { NEVER_VISITED } from './unreachable.ts';

const GROUPS = ['life', 'report', 'step', 'call', 'http'] as const;

export function coverageInWords(coverage: Coverage): string {
  const lines: string[] = [];
  for (const group of GROUPS) {
    const of = coverage.of(group);
    lines.push(
      `${group}: ${of.length} kinds`,
      ...of.map(([what, times]) => `  ${String(times).padStart(9)}  ${what.slice(group.length + 1)}`),
    );
  }
  lines.push(
    share('changes of stage of the lifecycle table', changesOfStage(), coverage),
    share('steps of a call', stepsOfCalls(), coverage),
    share('verdict rows', ALL_ROWS, coverage),
    share(
      'kinds of faults',
      ALL_KINDS.map((kind) => `fault ${kind}`),
      coverage,
    ),
    share('pairs of faults', pairs(), coverage),
  );
  return lines.join('\n');
}

/** How much of what there is to visit was visited, what was not, and what cannot be. */
function share(of: string, all: readonly string[], coverage: Coverage): string {
  const visited = (what: string) => coverage.counts.has(what);
  // What was visited is no longer unreachable, whatever is written down.
  const never = all.filter((what) => NEVER_VISITED.has(what) && !visited(what));
  const open = all.filter((what) => !never.includes(what));
  const missed = open.filter((what) => !visited(what));
  const named = missed.map(nameOf).slice(0, NAMED_AT_MOST).join(', ') || 'none';
  const more = missed.length > NAMED_AT_MOST ? ` and ${missed.length - NAMED_AT_MOST} more` : '';
  const lines = [
    `${of}: ${percent(open.length - missed.length, open.length)} (${open.length - missed.length} of ${open.length}); not: ${named}${more}`,
    ...never.map((what) => `  left out: ${nameOf(what)}: ${NEVER_VISITED.get(what)}`),
  ];
  return lines.join('\n');
}

const NAMED_AT_MOST = 60;
const nameOf = (what: string) => what.slice(what.indexOf(' ') + 1);
const percent = (n: number, of: number) => `${((100 * n) / of).toFixed(1)} %`;

/** Two kinds of faults, or two of one kind, of which one begins while the other is there. */
function pairs(): readonly string[] {
  const all = ALL_KINDS.flatMap((a, i) => ALL_KINDS.slice(i).map((b): [FaultKind, FaultKind] => [a, b]));
  return all.filter(([a, b]) => mayMeet(a, b)).map((pair) => `pair ${pair.sort().join(' + ')}`);
}

/** What is over at once meets nothing of its own sort, and a pair needs a site that has both. */
function mayMeet(a: FaultKind, b: FaultKind): boolean {
  if (KINDS[a].lastsMs[1] === 0 && KINDS[b].lastsMs[1] === 0) return false;
  return Object.values(SITES).some(
    ({ without }: { without: ReadonlySet<FaultKind> }) => !without.has(a) && !without.has(b),
  );
}
