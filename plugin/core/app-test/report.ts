/**
 * The report of one test, in a form that may be published: it names the app and what was seen, and neither account nor token nor number.
 * Its signature shows that nobody has changed it by hand since; it proves nothing of who made it.
 */
import { createHash } from 'node:crypto';
import { NOT_CARRIED_OUT } from './rule.ts';
import { RULES, RULES_VERSION, type Verdict, verdictsOf } from './rules.ts';
import type { StepName, StepSeen } from './seen.ts';
import type { AppKind, Platform, Subject } from './subject.ts';

export interface AppReport {
  readonly form: 1;
  readonly ran: {
    /** Version of pushwake. */
    readonly pushwake: string;
    /** `Asterisk 22.10.1`. */
    readonly pbx: string;
    /** UTC, `2026-11-29`. */
    readonly date: string;
    /** Version of the rules. */
    readonly rules: number;
  };
  readonly app: { readonly name: string; readonly platform: Platform; readonly kind: AppKind };
  /** Why the test ended before its last step. Absent: it did not. */
  readonly stopped?: string;
  readonly steps: readonly { readonly step: StepName; readonly state: StepSeen['state']; readonly why?: string }[];
  readonly verdicts: readonly Verdict[];
  /** `sha256:` and the digest of everything before. */
  readonly signature: string;
}

export interface ReportFacts {
  readonly pushwake: string;
  readonly pbx: string;
  readonly date: string;
  /** A name by the administrator, or what the app calls itself: cleaned before it is shown. */
  readonly appName: string;
  readonly subject: Subject;
  readonly steps: readonly StepSeen[];
  readonly stopped: string | undefined;
  /** Texts that the report must not hold: the account, its user part, tokens. */
  readonly secrets: readonly string[];
}

const NAME_AT_MOST = 60;
/** A number of a person or a part of a token. Versions have fewer digits in a row. */
const DIGITS = /\d{5,}/g;
const LONG_WORD = /[0-9A-Za-z_-]{24,}/g;
const NO_NAME = 'an app without a name';

/** A stranger's text (User-Agent) as it may stand in a public report. */
export function cleanName(text: string, secrets: readonly string[]): string {
  const plain = text
    .replace(/\S*@\S*/g, ' ')
    .replace(/[^0-9A-Za-z._/()+ -]/g, ' ')
    .replace(LONG_WORD, ' ')
    .replace(DIGITS, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, NAME_AT_MOST)
    .trim();
  const holds = secrets.some((s) => s !== '' && plain.toLowerCase().includes(s.toLowerCase()));
  return plain === '' || holds ? NO_NAME : plain;
}

export function reportOf(facts: ReportFacts): AppReport {
  const { subject, steps, stopped } = facts;
  const unsigned = {
    form: 1 as const,
    ran: { pushwake: facts.pushwake, pbx: facts.pbx, date: facts.date, rules: RULES_VERSION },
    app: { name: cleanName(facts.appName, facts.secrets), platform: subject.platform, kind: subject.kind },
    ...(stopped !== undefined && { stopped }),
    steps: steps.map(({ step, state, why }) => ({ step, state, ...(why !== undefined && { why }) })),
    verdicts: verdictsOf({ subject, steps }),
  };
  return { ...unsigned, signature: signatureOf(unsigned) };
}

/** A report of a test whose end nobody saw, with why. */
export function stoppedReport({ signature: _, ...report }: AppReport, why: string): AppReport {
  const unsigned = { ...report, stopped: why };
  return { ...unsigned, signature: signatureOf(unsigned) };
}

function signatureOf(report: Omit<AppReport, 'signature'>): string {
  return `sha256:${createHash('sha256')
    .update(JSON.stringify(sorted(report)))
    .digest('hex')}`;
}

/** Whether nobody has changed it since it was made. */
export function isWhole({ signature, ...rest }: AppReport): boolean {
  return signature === signatureOf(rest);
}

/** With keys in one order, so that a file that was formatted anew has the same signature. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  );
}

/** Exactly the form of a report; what comes from a file is a stranger's. */
export function readReport(value: unknown): AppReport | undefined {
  const r = object(value);
  const [ran, app] = [object(r.ran), object(r.app)];
  const isText = (...of: readonly unknown[]) => of.every((v) => typeof v === 'string' && v.length <= 500);
  const isWellFormed =
    r.form === 1 &&
    isText(ran.pushwake, ran.pbx, ran.date, app.name, app.platform, app.kind, r.signature) &&
    typeof ran.rules === 'number' &&
    (r.stopped === undefined || isText(r.stopped)) &&
    Array.isArray(r.steps) &&
    r.steps.length <= 100 &&
    r.steps.map(object).every((s) => isText(s.step, s.state) && (s.why === undefined || isText(s.why))) &&
    Array.isArray(r.verdicts) &&
    r.verdicts.length <= 1_000 &&
    r.verdicts.map(object).every((v) => isText(v.rule, v.verdict, v.seen) && /^A\d+$/.test(String(v.rule)));
  return isWellFormed ? (value as AppReport) : undefined;
}

function object(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

const WORDS: Readonly<Record<Verdict['verdict'], string>> = {
  ok: 'ok',
  broken: 'BROKEN',
  'not-seen': 'not seen',
  'not-applicable': 'not for this app',
};

export const titleOf = (rule: string): string => RULES.find((r) => r.id === rule)?.title ?? 'a rule of another version';

/** Where a few steps were asked for, most rules have nothing to say: their numbers are enough. */
function parted({ verdicts }: AppReport): { readonly judged: readonly Verdict[]; readonly left: string | undefined } {
  const left = verdicts.filter((v) => v.seen === NOT_CARRIED_OUT).map((v) => v.rule);
  return {
    judged: verdicts.filter((v) => v.seen !== NOT_CARRIED_OUT),
    left: left.length === 0 ? undefined : `Not seen, because their steps were not carried out: ${left.join(', ')}.`,
  };
}

/** One line for each rule that had its step, for a terminal; and one for all others. */
export function linesOf(report: AppReport): readonly { readonly verdict: Verdict['verdict']; readonly text: string }[] {
  const { judged, left } = parted(report);
  const lines = judged.map(({ rule, verdict, seen }) => ({
    verdict,
    text: `${rule.padEnd(3)}  ${WORDS[verdict].padEnd(16)}  ${titleOf(rule)}: ${seen}.`,
  }));
  return left === undefined ? lines : [...lines, { verdict: 'not-seen', text: left }];
}

export function headOf({ app, ran, stopped }: AppReport): readonly string[] {
  return [
    `${app.name} (${app.platform}, ${app.kind}), by pushwake ${ran.pushwake} on ${ran.pbx}, ${ran.date}, rules ${ran.rules}`,
    ...(stopped === undefined ? [] : [`Not finished: ${stopped}. What is below was seen before.`]),
  ];
}

/** For an issue at the app's maker, and for docs/apps. */
export function markdownOf(report: AppReport): string {
  const [head = '', ...more] = headOf(report);
  const { judged, left } = parted(report);
  const broken = judged.filter((v) => v.verdict === 'broken');
  const why = broken.map(({ rule }) => {
    const of = RULES.find((r) => r.id === rule);
    return of ? `- **${rule}**: ${of.suffers} (${of.source})` : `- **${rule}**`;
  });
  return [
    `# ${report.app.name}`,
    '',
    `Tested with \`pushwake app-test\`: ${head}.`,
    ...more.flatMap((line) => ['', line]),
    '',
    '| rule | | verdict | seen |',
    '|---|---|---|---|',
    ...judged.map((v) => `| ${v.rule} | ${cell(titleOf(v.rule))} | ${WORDS[v.verdict]} | ${cell(v.seen)} |`),
    ...(left === undefined ? [] : ['', left]),
    ...(why.length > 0 ? ['', 'What the user suffers from what is broken:', '', ...why] : []),
    '',
    `The rules are those of pushwake’s docs/app-rules.md. Signature: \`${report.signature}\``,
    '',
  ].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
