/** The measuring of apps: the rules, what is seen of an app, the verdicts and the report. Pure. */
export { type Comparison, compareReports } from './compare.ts';
export { QUESTIONS, type QuestionName } from './questions.ts';
export {
  type AppReport,
  cleanName,
  headOf,
  isWhole,
  linesOf,
  markdownOf,
  readReport,
  reportOf,
  stoppedReport,
  titleOf,
} from './report.ts';
export type { Rule } from './rule.ts';
export { RULES, RULES_VERSION, type Verdict, verdictsOf } from './rules.ts';
export {
  type Answer,
  type CallSeen,
  callSeen,
  type RegistersSeen,
  type Said,
  STEPS,
  type StepName,
  type StepSeen,
} from './seen.ts';
export { measurable, type Subject, subjectOf } from './subject.ts';
