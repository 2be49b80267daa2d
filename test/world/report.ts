/** What was visited, for people. */
import { VERDICTS as APPLE } from '../../adapters/push/apns/outcome.ts';
import { VERDICTS as GOOGLE } from '../../adapters/push/fcm/outcome.ts';
import type { Coverage } from './coverage.ts';
import { changesOfStage, stepsOfCalls } from './expected.ts';
import { ALL_KINDS } from './faults.ts';

const GROUPS = ['life', 'report', 'step', 'call'] as const;

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
  );
  const rows = [
    ...APPLE.map((v) => `verdict apns ${v.status ?? '-'} ${v.reason}`),
    ...GOOGLE.map((v) => `verdict fcm ${v.status ?? '-'} ${v.reason}`),
  ];
  lines.push(share('verdict rows', rows, coverage));
  const kinds = ALL_KINDS.filter((kind) => coverage.counts.has(`fault ${kind}`));
  const pairs = coverage.of('pair').length;
  const all = (ALL_KINDS.length * (ALL_KINDS.length + 1)) / 2;
  lines.push(
    `faults: ${kinds.length} of ${ALL_KINDS.length} kinds, ${percent(pairs, all)} of their pairs (${pairs} of ${all})`,
  );
  return lines.join('\n');
}

/** How much of what there is to visit was visited, and what was not. */
function share(of: string, all: readonly string[], coverage: Coverage): string {
  const missed = all.filter((what) => !coverage.counts.has(what));
  const named = missed.map((what) => what.slice(what.indexOf(' ') + 1)).join(', ') || 'none';
  return `${of}: ${percent(all.length - missed.length, all.length)} (${all.length - missed.length} of ${all.length}); not: ${named}`;
}

const percent = (n: number, of: number) => `${((100 * n) / of).toFixed(1)} %`;
