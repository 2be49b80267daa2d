/** What was visited, for people. */
import { VERDICTS as APPLE } from '../../adapters/push/apns/outcome.ts';
import { VERDICTS as GOOGLE } from '../../adapters/push/fcm/outcome.ts';
import type { Coverage } from './coverage.ts';
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
  const rows = [
    ...APPLE.map((v) => `verdict apns ${v.status ?? '-'} ${v.reason}`),
    ...GOOGLE.map((v) => `verdict fcm ${v.status ?? '-'} ${v.reason}`),
  ];
  const missed = rows.filter((row) => !coverage.counts.has(row));
  lines.push(
    `verdict rows: ${rows.length - missed.length} of ${rows.length}; not: ${missed.map((r) => r.slice(8)).join(', ') || 'none'}`,
  );
  const kinds = ALL_KINDS.filter((kind) => coverage.counts.has(`fault ${kind}`));
  const pairs = coverage.of('pair').length;
  const all = (ALL_KINDS.length * (ALL_KINDS.length + 1)) / 2;
  lines.push(`faults: ${kinds.length} of ${ALL_KINDS.length} kinds, ${pairs} of ${all} pairs`);
  return lines.join('\n');
}
