import type { Command } from 'commander';
import { systemClock } from '../../adapters/clock/system/index.ts';
import {
  type AppReport,
  type Comparison,
  compareReports,
  headOf,
  linesOf,
  markdownOf,
  STEPS,
  type StepName,
  stoppedReport,
  titleOf,
} from '../core/app-test/index.ts';
import type { AppTestProgress } from '../http/app-tests.ts';
import { askAdmin, NO_ADMIN, refusal } from './admin-client.ts';
import { type Answers, answersIn, keep, mayWrite, reportIn } from './app-test/files.ts';
import { Question } from './app-test/question.ts';
import { CommandError, EXIT } from './exit.ts';
import { type Loaded, load, wholeAor, withConfig } from './setup.ts';
import { paint, say, sayText, tell } from './terminal.ts';

const POLL_EVERY_MS = 500;
/** A pushwake that does not answer for this long is gone; a busy one is not. */
const GONE_AFTER = 5;
/** Ctrl-C, a service manager, a terminal that is closed. */
const STOPPED_BY = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const COLOURS = { ok: 'green', broken: 'red', 'not-seen': 'yellow', 'not-applicable': 'dim' } as const;

interface Options {
  readonly config: string;
  readonly device?: string;
  readonly app?: string;
  readonly steps?: string;
  readonly person: boolean;
  readonly answers?: string;
  readonly json?: boolean;
  readonly markdown?: boolean;
  readonly output?: string;
  readonly compare?: boolean;
}

type Admin = NonNullable<Loaded['config']['http']['admin']>;

export function addAppTest(program: Command): void {
  withConfig(program.command('app-test'))
    .description(
      'Measures the app of an account: calls and pushes it, watches what it does, and prints a verdict for each rule.',
    )
    .argument('<of...>', 'the account: 1001@example.com, or 1001 where there is one realm; with --compare two reports')
    .option('--device <id>', 'the beginning of the id of a binding, where the account has several devices')
    .option('--app <name>', 'what the report calls the app: "Example Phone 2.1" (default: as the app calls itself)')
    .option('--steps <list>', `only these: ${STEPS.join(',')}`)
    .option('--no-person', 'nobody is at the phone: nothing is asked, and what only a person can see is "not seen"')
    .option(
      '--answers <file>',
      'answers in place of a person: JSON, {"one-screen": "yes", …}; of what is left out nobody looked',
    )
    .option('--json', 'the report as JSON, in the form of docs/apps')
    .option('--markdown', 'the report for an issue at the app’s maker')
    .option('--output <file>', 'writes the report as JSON to this file as well')
    .option('--compare', 'compares two reports: what the second mended, and what it broke')
    .addHelpText(
      'after',
      `
It takes about four minutes. Test calls ring this account only; other accounts and their calls are not touched, and no binding is
changed. A report holds no account, token or number. What the rules mean: docs/app-rules.md. Needs http.admin and a token of role
"operate". Stopped (Ctrl-C), it ends its calls and prints what was seen.

Exit codes: 0 no rule is broken · 1 a rule is broken, or the test did not end · 2 a mistake in the configuration or an argument

Examples:
  $ pushwake app-test 1001 --app "Example Phone 2.1" --output report.json
  $ pushwake app-test 1001 --no-person --steps call,silent --markdown
  $ pushwake app-test --compare old.json new.json`,
    )
    .action(async (of: readonly string[], o: Options) => {
      if (o.compare) return compare(of, o);
      const [text, ...more] = of;
      if (text === undefined || more.length > 0) throw new CommandError('expected one account', EXIT.mistake);
      const steps = stepsOf(o.steps);
      const answers = o.answers === undefined ? undefined : answersIn(o.answers);
      if (o.person && !answers && !process.stdin.isTTY)
        throw new CommandError('nobody can answer here: use a terminal, --answers or --no-person', EXIT.mistake);
      if (o.output !== undefined) mayWrite(o.output);
      const loaded = await load(o.config);
      const report = await carryOut(loaded, wholeAor(loaded.config, text), { o, steps, answers });
      if (o.output !== undefined) keep(report, o.output);
      if (report.stopped !== undefined || report.verdicts.some((v) => v.verdict === 'broken'))
        process.exitCode = EXIT.failed;
      show(report, o);
    });
}

function show(report: AppReport, o: Options): void {
  if (o.json) return say(JSON.stringify(report));
  if (o.markdown) return sayText(markdownOf(report).trimEnd());
  for (const line of headOf(report)) say(line);
  for (const { step, state, why } of report.steps)
    if (state !== 'done') say(`Step ${step}: ${state}${why === undefined ? '' : `, ${why}`}.`);
  say();
  for (const { verdict, text } of linesOf(report)) say(paint(COLOURS[verdict], text));
}

/** Begins the test in the running pushwake and stays with it to its end. */
async function carryOut(
  { config }: Loaded,
  aor: string,
  { o, steps, answers }: { o: Options; steps: readonly StepName[] | undefined; answers: Answers | undefined },
): Promise<AppReport> {
  const { admin } = config.http;
  if (!admin) throw new CommandError(NO_ADMIN, EXIT.failed);
  const body = {
    aor,
    person: o.person,
    ...(o.device !== undefined && { device: o.device }),
    ...(o.app !== undefined && { appName: o.app }),
    ...(steps !== undefined && { steps }),
  };
  const started = await askAdmin(admin, { method: 'POST', path: '/v1/app-tests', body, role: 'operate' });
  if ('unreachable' in started) throw new CommandError(started.unreachable, EXIT.failed);
  if (started.status !== 201) throw new CommandError(refusal(started), EXIT.failed);
  const { id } = started.body as { id: string };
  const path = `/v1/app-tests/${id}`;
  tell(`Test ${id} of ${aor} has begun.`);
  const stop = () => void askAdmin(admin, { method: 'DELETE', path, role: 'operate' });
  for (const signal of STOPPED_BY) process.on(signal, stop);
  const asked = new Question(admin, path, answers);
  try {
    // They are carried out in this order, whatever the order of the option.
    return await follow(admin, path, { asked, steps: STEPS.filter((step) => steps?.includes(step) ?? true) });
  } finally {
    asked.takeBack();
    for (const signal of STOPPED_BY) process.off(signal, stop);
  }
}

async function follow(
  admin: Admin,
  path: string,
  { asked, steps }: { asked: Question; steps: readonly StepName[] },
): Promise<AppReport> {
  let last: AppReport | undefined;
  let step: StepName | undefined;
  for (let missed = 0; ; ) {
    const answer = await askAdmin(admin, { path, role: 'operate' });
    if ('unreachable' in answer || answer.status !== 200) {
      if (++missed < GONE_AFTER) {
        await pause(POLL_EVERY_MS);
        continue;
      }
      const why = 'unreachable' in answer ? answer.unreachable : refusal(answer);
      if (!last) throw new CommandError(why, EXIT.failed);
      tell(`The test did not end: ${why}.`);
      return stoppedReport(last, 'pushwake did not answer any more');
    }
    missed = 0;
    const progress = answer.body as AppTestProgress;
    last = progress.report;
    if (progress.state === 'over') return last;
    if (progress.step !== undefined && progress.step !== step)
      tell(`Step ${progress.step} (${steps.indexOf(progress.step) + 1} of ${steps.length}) …`);
    step = progress.step;
    asked.show(progress.prompt);
    await pause(POLL_EVERY_MS);
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => void systemClock().after(ms, resolve));

function stepsOf(list: string | undefined): readonly StepName[] | undefined {
  const names = list?.split(',').map((name) => name.trim());
  const wrong = names?.find((name) => !STEPS.some((step) => step === name));
  if (wrong !== undefined) throw new CommandError(`"${wrong}" is no step; expected ${STEPS.join(', ')}`, EXIT.mistake);
  return names as readonly StepName[] | undefined;
}

function compare(files: readonly string[], o: Options): void {
  const [before, after, ...more] = files;
  if (before === undefined || after === undefined || more.length > 0)
    throw new CommandError('--compare takes two reports: an older one and a newer one', EXIT.mistake);
  const [older, newer] = [reportIn(before), reportIn(after)];
  const comparison = compareReports(older, newer);
  if (comparison.changes.some((c) => c.what === 'worse')) process.exitCode = EXIT.failed;
  if (o.json) return say(JSON.stringify(comparison));
  for (const line of inWords(older, newer, comparison)) say(line);
}

function inWords(older: AppReport, newer: AppReport, { changes, stillBroken }: Comparison): readonly string[] {
  const what = { worse: 'broken now', better: 'mended', other: 'changed' } as const;
  return [
    `Before: ${headOf(older)[0]}`,
    `Now:    ${headOf(newer)[0]}`,
    ...changes.map(
      (c) =>
        `${c.rule.padEnd(3)}  ${what[c.what].padEnd(10)}  ${titleOf(c.rule)}: ${c.before} before, ${c.after} now (${c.seen}).`,
    ),
    ...stillBroken.map(
      (rule) => `${rule.padEnd(3)}  ${'as before'.padEnd(10)}  ${titleOf(rule)}: broken before and now.`,
    ),
    ...(changes.length + stillBroken.length === 0 ? ['Nothing has changed, and nothing is broken.'] : []),
  ];
}
