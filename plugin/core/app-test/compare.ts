/** Two reports of one app side by side: what a new version mended, and what it broke. */
import type { AppReport } from './report.ts';
import type { Verdict } from './rules.ts';

export interface Change {
  readonly rule: string;
  readonly before: Verdict['verdict'] | 'no such rule';
  readonly after: Verdict['verdict'] | 'no such rule';
  readonly seen: string;
  /** `worse`: broken now. `better`: broken before. `other`: what is seen has changed, and nothing is broken. */
  readonly what: 'worse' | 'better' | 'other';
}

export interface Comparison {
  readonly changes: readonly Change[];
  /** Broken before and now. */
  readonly stillBroken: readonly string[];
}

export function compareReports(before: AppReport, after: AppReport): Comparison {
  const rules = [...new Set([...before.verdicts, ...after.verdicts].map((v) => v.rule))];
  const of = ({ verdicts }: AppReport, rule: string) => verdicts.find((v) => v.rule === rule);
  const pairs = rules.map((rule) => ({ rule, was: of(before, rule), is: of(after, rule) }));
  return {
    changes: pairs.flatMap(({ rule, was, is }): Change[] => {
      const a: Change['before'] = was?.verdict ?? 'no such rule';
      const b: Change['after'] = is?.verdict ?? 'no such rule';
      if (a === b) return [];
      const what = b === 'broken' ? 'worse' : a === 'broken' && b === 'ok' ? 'better' : 'other';
      return [{ rule, before: a, after: b, seen: is?.seen ?? '', what }];
    }),
    stillBroken: pairs.flatMap(({ rule, was, is }) =>
      was?.verdict === 'broken' && is?.verdict === 'broken' ? [rule] : [],
    ),
  };
}
