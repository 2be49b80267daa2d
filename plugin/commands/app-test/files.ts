/** Files of `pushwake app-test`: answers in place of a person, reports. */
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  type Answer,
  type AppReport,
  isWhole,
  QUESTIONS,
  type QuestionName,
  readReport,
} from '../../core/app-test/index.ts';
import { CommandError, EXIT } from '../exit.ts';
import { tell } from '../terminal.ts';

export type Answers = Readonly<Partial<Record<QuestionName, Answer>>>;

/** Looked at before: a test of four minutes is not to end with a folder that does not exist. */
export function mayWrite(file: string): void {
  try {
    accessSync(existsSync(file) ? file : dirname(file), constants.W_OK);
  } catch (error) {
    throw new CommandError(`cannot write ${file} (${(error as NodeJS.ErrnoException).code})`, EXIT.mistake);
  }
}

/** What cannot be written all the same is shown at least. */
export function keep(report: AppReport, file: string): void {
  try {
    writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  } catch (error) {
    process.exitCode = EXIT.failed;
    tell(`The report could not be written to ${file} (${(error as NodeJS.ErrnoException).code}).`);
  }
}

export function reportIn(file: string): AppReport {
  const report = readReport(jsonOf(file));
  if (!report) throw new CommandError(`${file} is no report of pushwake app-test --json`, EXIT.mistake);
  if (!isWhole(report)) tell(`${file}: its signature does not fit; somebody has changed it since it was made.`);
  return report;
}

export function answersIn(file: string): Answers {
  const read = jsonOf(file);
  const entries = Object.entries(read !== null && typeof read === 'object' ? read : {});
  const wrong = entries.find(([name, answer]) => !(name in QUESTIONS) || (answer !== 'yes' && answer !== 'no'));
  if (wrong || entries.length === 0)
    throw new CommandError(
      `${file}: expected {"one-screen": "yes", …} with ${Object.keys(QUESTIONS).join(', ')}`,
      EXIT.mistake,
    );
  return Object.fromEntries(entries) as Answers;
}

function jsonOf(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CommandError(`cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? 'no JSON'})`, EXIT.mistake);
  }
}
