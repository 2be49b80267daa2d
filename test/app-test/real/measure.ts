/** Measures an app on a real PBX, with a person who answers, and keeps its report. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { AppReport } from '../../../plugin/core/app-test/index.ts';
import { REALM } from '../../support/pbx-scene.ts';
import type { Admin } from './admin.ts';
import type { SipApp } from './sip-app.ts';

/** A real run becomes a file of docs/apps only when that is asked for: `APP_REPORTS=1 npm run test:app`. */
export function keepReport(report: AppReport, name: string): void {
  if (!process.env.APP_REPORTS) return;
  const file = fileURLToPath(new URL(`../../../docs/apps/${name}.json`, import.meta.url));
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
}

/** Measures the SIP phone of the tests as an app that does everything right: nothing may be broken, and nothing unseen. */
export async function measureRightApp(app: SipApp, admin: Admin, file: string): Promise<void> {
  const aor = `${app.phone.user}@${REALM}`;
  const report = await admin.measure({ aor, appName: 'SIP phone of the tests', says: (q) => app.says(q) });
  app.stop();
  expect(brokenOf(report)).toEqual([]);
  expect(report.verdicts.filter((v) => v.verdict !== 'ok')).toEqual([]);
  expect(report.stopped).toBeUndefined();
  // Linphone refuses a second call of the caller who rings already.
  const callers = app.phone.incoming.map((call) => /sip:([^@>]+)/.exec(call.headers.get('From') ?? '')?.[1]);
  expect([...new Set(callers)].sort()).toEqual(['test1', 'test2']);
  keepReport(report, file);
}

export const brokenOf = (report: AppReport): readonly string[] =>
  report.verdicts.filter((v) => v.verdict === 'broken').map((v) => `${v.rule} ${v.seen}`);
