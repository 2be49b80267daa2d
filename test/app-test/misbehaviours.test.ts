/** Each thing that an app may do wrong is named by its rule, and no other rule is called broken; five runs each, on both kinds of PBX. */
import { describe, expect, it } from 'vitest';
import type { AppReport } from '../../plugin/core/app-test/index.ts';
import { MISBEHAVIOURS, type Misbehaviour } from './misbehaviours.ts';
import { AppSite, type SiteOptions } from './site.ts';

const RUNS: readonly SiteOptions[] = [
  { seed: 1, platform: 'ios', kind: 'asterisk' },
  { seed: 2, platform: 'android', kind: 'asterisk' },
  { seed: 3, platform: 'ios', kind: 'freeswitch' },
  { seed: 4, platform: 'android', kind: 'freeswitch' },
  { seed: 5, platform: 'ios', kind: 'asterisk' },
];

const broken = (report: AppReport) => report.verdicts.filter((v) => v.verdict === 'broken').map((v) => v.rule);

describe.each(RUNS)('seed $seed, $platform on $kind', (run) => {
  it('calls nothing broken of an app that does everything right', async () => {
    const report = await new AppSite(run).measure();
    expect(broken(report)).toEqual([]);
    expect(report.stopped).toBeUndefined();
    expect(report.verdicts.filter((v) => v.verdict !== 'ok')).toEqual([]);
  });

  it.each(Object.entries(MISBEHAVIOURS))('%s: %s', async (misbehaviour, rule) => {
    const report = await new AppSite({ ...run, misbehaviour: misbehaviour as Misbehaviour }).measure();
    expect(broken(report)).toEqual([rule]);
    expect(report.stopped).toBeUndefined();
  });
});
