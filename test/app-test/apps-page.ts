/** docs/apps/README.md: which apps were measured, from the reports that lie there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type AppReport, readReport } from '../../plugin/core/app-test/index.ts';

const FOLDER = fileURLToPath(new URL('../../docs/apps', import.meta.url));

export const REPORTS: readonly string[] = existsSync(FOLDER)
  ? readdirSync(FOLDER)
      .filter((name) => name.endsWith('.json'))
      .sort()
  : [];

export function appsPage(): string {
  const rows = REPORTS.map((name) => row(name, reportOf(name)));
  return `# Apps that were measured

One file for each app, version and PBX, as \`pushwake app-test --output\` writes it. The numbers are rules of [app-rules.md](../app-rules.md). This page is made
from the files (\`UPDATE_DOCS=1 npm test -- app-test/pages\`).

| app | on | date | ok | broken | not seen | report |
|---|---|---|---|---|---|---|
${rows.join('\n')}

"Not seen" is no blame: a program on a server has no person in front of it and no screen. The programs of Debian are started a second after their push and
killed when they are idle, as a phone does with its apps (\`npm run test:app\`).

## Send yours

Run \`pushwake app-test 1001 --app "Example Phone 2.1" --output example-phone-2.1-asterisk.json\` with the phone in your hand, and send the file as a pull
request that puts it here. It holds no account, token, address or number. A test checks its form and its signature: it shows that nobody has changed
the report since it was made, not who made it. Compare two versions of an app with \`pushwake app-test --compare old.json new.json\`.
`;
}

/** The table of docs/which-app.md: one row for each app, one column for each kind of PBX. */
export function appsTable(): string {
  const reports = REPORTS.map((name) => ({ name, report: reportOf(name) }));
  const apps = [...new Set(reports.map(({ report }) => report.app.name))];
  const cell = (app: string, pbx: string) => {
    const found = reports.find(({ report }) => report.app.name === app && report.ran.pbx.startsWith(pbx));
    if (!found) return 'not measured';
    const of = (verdict: string) => found.report.verdicts.filter((v) => v.verdict === verdict).map((v) => v.rule);
    const more = [
      ['broken', of('broken')],
      ['not seen', of('not-seen')],
      ['not for it', of('not-applicable')],
    ] as const;
    const rest = more.flatMap(([word, rules]) => (rules.length === 0 ? [] : [`${word} ${rules.join(', ')}`]));
    return `[${[String(of('ok').length), ...rest].join('; ')}](apps/${found.name})`;
  };
  return [
    '| app | Asterisk | FreeSWITCH |',
    '|---|---|---|',
    ...apps.map((app) => `| ${app} | ${cell(app, 'Asterisk')} | ${cell(app, 'FreeSWITCH')} |`),
  ].join('\n');
}

function reportOf(name: string): AppReport {
  const report = readReport(JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')));
  if (!report) throw new Error(`${name} is no report`);
  return report;
}

function row(name: string, { app, ran, verdicts, stopped }: AppReport): string {
  const of = (verdict: string) => verdicts.filter((v) => v.verdict === verdict).map((v) => v.rule);
  const broken = of('broken').join(', ') || 'none';
  const unfinished = stopped === undefined ? '' : ', not finished';
  return `| ${app.name} (${app.platform}, ${app.kind}) | ${ran.pbx} | ${ran.date}${unfinished} | ${of('ok').length} | ${broken} | ${of('not-seen').join(', ') || 'none'} | [${name}](${name}) |`;
}
