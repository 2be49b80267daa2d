/** docs/app-rules.md and the list of docs/apps are made from what they show, and every report there has its form and its signature. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isWhole, RULES, readReport, STEPS } from '../../plugin/core/app-test/index.ts';
import { appsPage, appsTable, REPORTS } from './apps-page.ts';
import { rulesPage } from './rules-page.ts';

const docs = (path: string) => fileURLToPath(new URL(`../../docs/${path}`, import.meta.url));

function isAsMade(path: string, text: string): void {
  if (process.env.UPDATE_DOCS) writeFileSync(docs(path), text);
  expect(existsSync(docs(path)) ? readFileSync(docs(path), 'utf8') : '').toBe(text);
}

it('docs/app-rules.md shows the rules as they are', () => isAsMade('app-rules.md', rulesPage()));

it('docs/apps/README.md lists the reports', () => isAsMade('apps/README.md', appsPage()));

it('docs/which-app.md shows what the reports say', () => {
  const page = readFileSync(docs('which-app.md'), 'utf8');
  const made = page.replace(
    /(<!-- reports -->\n)[\s\S]*(<!-- \/reports -->)/,
    (_, from, to) => `${from}${appsTable()}\n${to}`,
  );
  expect(made).toContain(appsTable());
  isAsMade('which-app.md', made);
});

it('numbers the rules without gaps, each once', () => {
  expect(RULES.map((r) => r.id)).toEqual(RULES.map((_, i) => `A${i + 1}`));
});

it('docs/app-payloads.md and which-app.md send their readers to the rules', () => {
  for (const page of ['app-payloads.md', 'which-app.md'])
    expect(readFileSync(docs(page), 'utf8')).toContain('(app-rules.md)');
});

describe.each(REPORTS)('docs/apps/%s', (name) => {
  const report = readReport(JSON.parse(readFileSync(docs(`apps/${name}`), 'utf8')));

  it('has the form of a report and has not been changed by hand', () => {
    if (!report) throw new Error('it is no report');
    expect(isWhole(report)).toBe(true);
    expect(report.ran.pushwake).toMatch(/^\d+\.\d+\.\d+/);
    expect(report.ran.pbx).toMatch(/^(Asterisk|FreeSWITCH) \d/);
    expect(report.ran.date).toMatch(/^20\d\d-\d\d-\d\d$/);
    expect(report.steps.every(({ step }) => STEPS.includes(step))).toBe(true);
    expect(report.verdicts.length).toBeGreaterThan(0);
  });

  it('names no account, token, address or number', () => {
    const text = JSON.stringify({ ...report, signature: '' });
    expect(text).not.toMatch(/@|\d{5,}|[0-9a-f]{24,}|(?:\d{1,3}\.){3}\d{1,3}|sips?:/i);
  });
});

it('lists every file of docs/apps', () => {
  const files = readdirSync(docs('apps')).filter((name) => name.endsWith('.json'));
  expect(files.sort()).toEqual([...REPORTS]);
});
