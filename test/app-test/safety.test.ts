/** A test of an app that ends early, or whose phone never comes, leaves nothing behind; and a report holds nothing that is somebody's. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cleanName,
  compareReports,
  isWhole,
  linesOf,
  markdownOf,
  RULES,
  readReport,
  reportOf,
  STEPS,
  type StepSeen,
} from '../../plugin/core/app-test/index.ts';
import { SECOND } from '../../plugin/core/time.ts';
import { AOR, AppSite, type SiteOptions } from './site.ts';

const ON_ASTERISK = { seed: 11, platform: 'android', kind: 'asterisk' } as const;

/** What must not have changed: who can be woken, and how. */
const bindingsOf = (site: AppSite) =>
  (site.store.record(AOR)?.bindings ?? []).map(({ id, targets, ending, unansweredWakes, missed }) => ({
    id,
    tokens: [targets.call, targets.other].map((t) => t?.token.fingerprint),
    ending,
    unansweredWakes,
    missed,
  }));

describe('stopped in the middle', () => {
  const rows: readonly { name: string; options: Partial<SiteOptions>; why: RegExp }[] = [
    {
      name: 'by Ctrl-C while the phone rings',
      options: { after: [12 * SECOND, (site) => void site.tests.stop(site.id, 'it was stopped by hand')] },
      why: /by hand/,
    },
    {
      name: 'the command is killed: nobody asks any more',
      options: { pollsFor: 45 * SECOND },
      why: /command that ran it went away/,
    },
    {
      name: 'the PBX is gone',
      options: { after: [12 * SECOND, (site) => site.node.links[0]?.cut('PBX restarts')] },
      why: /PBX went away/,
    },
    {
      name: 'pushwake is stopped',
      options: { after: [12 * SECOND, (site) => void site.node.runtime?.stop()] },
      why: /pushwake was stopped/,
    },
  ];

  it.each(rows)('$name: no channel is left, no binding changed, and the report says so', async ({ options, why }) => {
    const site = new AppSite({ ...ON_ASTERISK, ...options });
    const before: unknown[] = [];
    site.time.after(29 * SECOND, () => before.push(...bindingsOf(site)));
    const report = await site.measure();
    expect(report.stopped).toMatch(why);
    expect(report.steps).toEqual([{ step: 'call', state: 'cut', why: report.stopped }]);
    expect(before).toHaveLength(1);
    expect(bindingsOf(site)).toEqual(before);
    // A link that is away cannot end it: then the PBX does, or the link when it is back (asserted on a real PBX).
    if (!/PBX/.test(report.stopped ?? '')) expect([...site.pbx.calls]).toEqual([]);
    expect(report.verdicts.filter((v) => v.verdict === 'broken')).toEqual([]);
    expect(isWhole(report)).toBe(true);
  });
});

it('a link to the PBX that flaps costs the step under way, and not the test', async () => {
  const site = new AppSite({
    ...ON_ASTERISK,
    after: [
      12 * SECOND,
      (it) => {
        it.node.links[0]?.cut('a busy machine');
        it.node.links[0]?.comesBack();
      },
    ],
  });
  const report = await site.measure();
  expect(report.stopped).toBeUndefined();
  expect(report.steps[0]).toMatchObject({
    step: 'call',
    state: 'skipped',
    why: 'the link to the PBX was away meanwhile',
  });
  expect(report.steps.filter((s) => s.state === 'done').length).toBeGreaterThan(5);
  expect(report.verdicts.filter((v) => v.verdict === 'broken')).toEqual([]);
  expect([...site.pbx.calls]).toEqual([]);
});

it('ends in time, with what was seen, for a phone that never comes; its binding lives', async () => {
  const site = new AppSite({ ...ON_ASTERISK, misbehaviour: 'does not come for a call push', person: false });
  const before: unknown[] = [];
  site.time.after(29 * SECOND, () => before.push(...bindingsOf(site)));
  const report = await site.measure();
  expect(site.time.nowMs).toBeLessThan(6 * 60 * SECOND);
  expect(report.verdicts.find((v) => v.rule === 'A1')).toMatchObject({ verdict: 'broken' });
  expect(bindingsOf(site)).toEqual(before);
});

it('calls nobody when nobody says that they are ready', async () => {
  const site = new AppSite({ ...ON_ASTERISK, leavesAfter: 0 });
  const report = await site.measure();
  expect(report.stopped).toBe('nobody was ready within three minutes');
  expect(report.steps).toEqual([]);
  expect(report.verdicts.filter((v) => v.verdict === 'broken')).toEqual([]);
});

it('goes on without a person who has left, waits for them once, and blames the app for nothing', async () => {
  const site = new AppSite({ ...ON_ASTERISK, leavesAfter: 1 });
  const report = await site.measure();
  expect(report.stopped).toBeUndefined();
  expect(site.time.nowMs).toBeLessThan(10 * 60 * SECOND);
  expect(report.verdicts.filter((v) => v.verdict === 'broken')).toEqual([]);
  expect(report.verdicts.find((v) => v.rule === 'A7')).toMatchObject({ verdict: 'not-seen' });
  expect(report.steps.find((s) => s.step === 'token')).toMatchObject({
    state: 'skipped',
    why: 'nobody is at the phone',
  });
});

it('asks nothing where nobody is at the phone, and calls nothing broken for it', async () => {
  const report = await new AppSite({ ...ON_ASTERISK, person: false }).measure();
  const broken = report.verdicts.filter((v) => v.verdict === 'broken');
  expect(broken).toEqual([]);
  expect(report.verdicts.find((v) => v.rule === 'A6')).toMatchObject({ verdict: 'not-seen' });
});

describe('start', () => {
  it.each([
    ['an account that is none', { of: 'x' }, /expected an account/],
    ['an account nobody has', { of: '1@example.com' }, /no device/],
    ['a device it has not', { device: 'ffffffff' }, /no device/],
  ])('refuses %s', async (_, asked, why) => {
    const site = new AppSite(ON_ASTERISK);
    site.node.start();
    site.time.after(2 * SECOND, () => site.phone.open());
    let answer: unknown;
    site.time.after(20 * SECOND, () => {
      const all = { of: AOR, device: undefined, person: false, steps: undefined, appName: undefined, ...asked };
      void site.tests.start(all).then((said) => {
        answer = said;
      });
    });
    await site.time.run(60 * SECOND, () => answer !== undefined);
    expect(answer).toMatchObject({ refused: expect.stringMatching(why) });
  });
});

// ── Reports ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const token = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 }),
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF_-'), minLength: 40, maxLength: 160 })
    .map((t) => `dEf012:APA91b${t}`),
);
const number = fc.integer({ min: 10_000, max: 999_999_999_999 }).map((n) => `+${n}`);
const call = fc.record(
  {
    push: fc.constantFrom('accepted' as const, 'refused' as const, 'none' as const),
    rangAtOnce: fc.boolean(),
    pushedMs: fc.nat(30_000),
    registeredMs: fc.nat(30_000),
    named: fc.boolean(),
    refusedStatus: fc.constantFrom(401, 403, 503),
    dialledMs: fc.nat(30_000),
    ringingMs: fc.nat(30_000),
    answeredMs: fc.nat(30_000),
    declinedMs: fc.nat(30_000),
    declinedCause: fc.constantFrom(17, 21),
    mayAnswerMs: fc.nat(30_000),
    endedMs: fc.nat(60_000),
  },
  { requiredKeys: ['push', 'rangAtOnce'] },
);
const step: fc.Arbitrary<StepSeen> = fc.record({
  step: fc.constantFrom(...STEPS),
  state: fc.constantFrom('done' as const, 'cut' as const, 'skipped' as const),
  calls: fc.array(call, { maxLength: 2 }),
  registers: fc.record({ withPush: fc.nat(9), withoutPush: fc.nat(9), loggedOut: fc.nat(3), firstMs: fc.nat(90_000) }),
  answers: fc.constant({}),
  push: fc.constantFrom('accepted' as const, 'refused' as const),
  bindings: fc.record({ before: fc.nat(3), after: fc.nat(3) }),
  newTokens: fc.boolean(),
  held: fc.constantFrom('yes' as const, 'no' as const, 'unknown' as const),
});

const facts = (appName: string, steps: readonly StepSeen[], secrets: readonly string[] = []) => ({
  pushwake: '0.1.0',
  pbx: 'Asterisk 22.10.1',
  date: '2026-11-29',
  appName,
  subject: { platform: 'ios' as const, kind: 'own' as const, hasOther: true, reports: false },
  steps,
  stopped: undefined,
  secrets,
});

describe('a report', () => {
  it('holds no token, account or number, whatever the app calls itself and whatever was seen', () => {
    fc.assert(
      fc.property(
        token,
        number,
        fc.string({ minLength: 8, maxLength: 20 }),
        fc.array(step),
        (t, n, password, steps) => {
          const user = n.slice(1);
          const agent = `Phone/2.1 ${t} sip:${user}@example.com ${n} (${t})`;
          const report = reportOf(facts(agent, steps, [user, `${user}@example.com`]));
          const texts = [JSON.stringify({ ...report, signature: '' }), markdownOf({ ...report, signature: '' })];
          for (const text of texts) {
            expect(text).not.toContain(t);
            expect(text).not.toContain(user);
            expect(text).not.toContain('example.com');
            expect(text).not.toMatch(/\d{5,}/);
          }
          // Nothing that a report is made of ever held one.
          expect(JSON.stringify(report).includes(password) && password.trim().length > 12).toBe(false);
          expect(isWhole(report)).toBe(true);
          expect(readReport(JSON.parse(JSON.stringify(report)))).toEqual(report);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('names rules without their step by number alone, for people', () => {
    const called: StepSeen = {
      step: 'call',
      state: 'done',
      calls: [{ push: 'accepted', rangAtOnce: false, pushedMs: 10, registeredMs: 900, ringingMs: 950, endedMs: 4_000 }],
      registers: { withPush: 1, withoutPush: 0, loggedOut: 0 },
      answers: {},
      bindings: { before: 1, after: 1 },
      newTokens: false,
      held: 'unknown',
    };
    const report = reportOf(facts('Phone', [called]));
    expect(report.verdicts).toHaveLength(RULES.length);
    const text = linesOf(report).map((l) => l.text);
    expect(text[0]).toBe('A1   ok                The app registers for a call push: registered for the call.');
    expect(text.at(-1)).toMatch(/^Not seen, because their steps were not carried out: A8, A9, .*A20\.$/);
    expect(text.filter((line) => line.includes('A9'))).toHaveLength(1);
    expect(markdownOf(report)).not.toContain('| A9 |');
    expect(markdownOf(report)).toContain('not carried out: A8, A9,');
  });

  it('is not whole any more when a verdict was changed by hand', () => {
    const report = reportOf(facts('Phone 1.0', []));
    const [first, ...rest] = report.verdicts;
    if (!first) throw new Error('no verdict');
    expect(isWhole({ ...report, verdicts: [{ ...first, verdict: 'ok' }, ...rest] })).toBe(false);
    expect(isWhole(JSON.parse(JSON.stringify(report, undefined, 4)))).toBe(true);
  });

  it.each([
    ['Linphone/5.1.65 (belle-sip/5.1.65)', 'Linphone/5.1.65 (belle-sip/5.1.65)'],
    ['\u001b[2Jevil\r\nname', '2Jevil name'],
    ['Phone of 4915550123', 'Phone of'],
    ['alice@example.com', 'an app without a name'],
    ['', 'an app without a name'],
  ])('shows the name %j as %j', (name, shown) => expect(cleanName(name, [])).toBe(shown));

  it.each([undefined, null, [], {}, { form: 2 }, { form: 1, ran: {}, app: {}, steps: [], verdicts: [] }])(
    'does not take %j for one',
    (value) => expect(readReport(value)).toBeUndefined(),
  );
});

it('compares: what is mended, what is broken now, what is broken as before', () => {
  const of = (verdicts: Record<string, 'ok' | 'broken' | 'not-seen'>) => ({
    ...reportOf(facts('Phone', [])),
    verdicts: Object.entries(verdicts).map(([rule, verdict]) => ({ rule: rule as 'A1', verdict, seen: '' })),
  });
  const compared = compareReports(
    of({ A1: 'broken', A2: 'ok', A3: 'broken', A4: 'ok', A5: 'not-seen' }),
    of({ A1: 'ok', A2: 'broken', A3: 'broken', A4: 'ok', A5: 'ok', A22: 'broken' }),
  );
  expect(compared.changes.map((c) => [c.rule, c.what])).toEqual([
    ['A1', 'better'],
    ['A2', 'worse'],
    ['A5', 'other'],
    ['A22', 'worse'],
  ]);
  expect(compared.stillBroken).toEqual(['A3']);
});
