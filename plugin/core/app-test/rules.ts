/** The rules that apps are measured by, and what one test says of each. */
import { type Judged, notApplicable, type Observed, type Rule } from './rule.ts';
import { CALL_RULES } from './rules-calls.ts';
import { LIFE_RULES } from './rules-life.ts';
import type { Subject } from './subject.ts';

/** Goes up with every change of a rule's meaning: reports say by which rules they judge. */
export const RULES_VERSION = 1;

export const RULES: readonly Rule[] = [...CALL_RULES, ...LIFE_RULES].sort((a, b) => numberOf(a) - numberOf(b));

export interface Verdict extends Judged {
  readonly rule: Rule['id'];
}

/** One verdict for each rule, in the rules' order. */
export function verdictsOf(observed: Observed): readonly Verdict[] {
  return RULES.map((rule) => ({
    rule: rule.id,
    ...(isFor(rule, observed.subject) ? rule.judge(observed) : notApplicable('this rule is for other apps')),
  }));
}

function isFor({ platforms, kinds }: Rule, { platform, kind }: Subject): boolean {
  return (platforms === 'all' || platforms.includes(platform)) && (kinds === 'all' || kinds.includes(kind));
}

function numberOf({ id }: Rule): number {
  return Number(id.slice(1));
}
