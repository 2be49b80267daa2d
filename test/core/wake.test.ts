/** The wake, decided without a PBX: a table of sentences, every order of what may race, and rows that a spoilt core must fail. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as core from '../../plugin/core/wake.ts';
import {
  expectedOf,
  type Game,
  type Held,
  isPossible,
  orders,
  play,
  playOrder,
  ROWS,
  type Row,
  type Setup,
  type WakeCore,
} from './wake.cases.ts';

/** What holds of every wake, whatever happens. Answers what is wrong, in words. */
function wrong(game: Game): string[] {
  const twice = (list: readonly string[]) => list.filter((x, i) => list.indexOf(x) !== i);
  const problems: string[] = [];
  if (twice(game.rings).length > 0) problems.push(`rung twice: ${twice(game.rings).join()}`);
  const told = game.told.map((t) => t.split(' ')[0] as string);
  if (twice(told).length > 0) problems.push(`told twice: ${twice(told).join()}`);
  if (game.afterOver.length > 0) problems.push(`after the end: ${game.afterOver.map((e) => e.type).join()}`);
  if (game.overs > 1) problems.push('over twice');
  if (told.some((name) => !game.pushed.includes(name))) problems.push('told without a push');
  return problems;
}

function failures(wakeCore: WakeCore, row: Row): string[] {
  const game = play(wakeCore, row.setup, row.events);
  const differs = (what: string, found: unknown, expected: unknown) =>
    expected === undefined || JSON.stringify(found) === JSON.stringify(expected)
      ? []
      : [`${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`];
  return [
    ...wrong(game),
    ...differs('rings', game.rings, row.rings),
    ...differs('told', game.told, row.told),
    ...differs('ended', game.ended, row.ended),
    ...differs('outcome', game.wake.outcome, row.outcome),
    ...differs('pushed', game.pushed, row.pushed),
    ...differs('shown', game.shown, row.shown),
    ...differs('statuses', game.statuses, row.statuses),
  ];
}

function raceFailures(wakeCore: WakeCore, order: readonly string[]): string[] {
  const game = playOrder(wakeCore, order);
  const { told, rings, outcome, shown } = expectedOf(order);
  const found = { told: [...game.told].sort(), rings: game.rings, outcome: game.wake.outcome, shown: game.shown };
  const expected = { told, rings, outcome, shown };
  // The trace says all of it: who came, who was dialled, who answered, who came too late.
  const missing = [
    ...(rings.length > 0 ? ['registered', 'dialled'] : []),
    ...(outcome === 'answered' ? ['answered'] : []),
    ...(shown.length > 0 ? ['registeredLate'] : []),
  ].filter((step) => !game.steps.includes(step));
  return [
    ...wrong(game),
    ...(game.overs === 1 ? [] : ['not over']),
    ...missing.map((step) => `the trace lacks "${step}"`),
    ...(JSON.stringify(found) === JSON.stringify(expected)
      ? []
      : [`${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`]),
  ];
}

describe('a waiting call', () => {
  it.each(ROWS.map((row) => [row.sentence, row] as const))('%s', (_sentence, row) => {
    expect(failures(core, row)).toEqual([]);
  });

  it('every sentence stands once', () => {
    expect(new Set(ROWS.map((r) => r.sentence)).size).toBe(ROWS.length);
  });
});

const possible = [...orders(2), ...orders(3)].filter(isPossible);

describe('the race table: what A does, the desk phone, the caller, the clock, the push service and the link, in any order', () => {
  it.each(possible.map((order) => [order.join(', then '), order] as const))('%s', (_sentence, order) => {
    expect(raceFailures(core, order)).toEqual([]);
  });

  it('holds every possible order', () => {
    expect(possible.length).toBe(orders(2).filter(isPossible).length + orders(3).filter(isPossible).length);
    expect(orders(2)).toHaveLength(42);
    expect(orders(3)).toHaveLength(210);
  });
});

describe('control: with a rule taken out the tables fail', () => {
  const home = fileURLToPath(new URL('../../plugin/core/', import.meta.url));
  /** The files that hold the rules of a call, by their path in the core. */
  const files = ['wake.ts', ...readdirSync(join(home, 'wake')).map((name) => `wake/${name}`)];
  const rules: [rule: string, text: string, without: string][] = [
    [
      'nothing happens after the end',
      "if (wake.phase !== 'over') apply(draft, event);",
      'if (event) apply(draft, event);',
    ],
    [
      'a phone that rings at its stored contact loses its other leg',
      "if (fresh.state === 'held') draft.giveUp(d, 'fresh', Cause.subscriberAbsent);\n      return;",
      '',
    ],
    ['a dead stored leg is dropped before the fresh one is rung', 'dropStored(draft, d);\n  invite(', 'invite('],
    [
      'an INVITE under way gets its time',
      'if (until !== undefined && until > draft.now) {',
      'if (Number.isNaN(draft.now)) {',
    ],
    ['who rang is not told again by push', 'const hearsBySip = device.rang ||', 'const hearsBySip ='],
    ['who declined knows', 'd.told = true;\n    d.declined = cause;', 'd.declined = cause;'],
    [
      'an old UDP contact waits',
      'return between(registeredAt, now) <= policy.freshContactMs + SECOND;',
      'return true;',
    ],
    [
      'what is stored is rung at once when no push wakes the phone',
      "if (!isLost(d) && d.push !== 'delayed') return;",
      'if (d) return;',
    ],
    [
      'a push that failed ends no leg',
      'd.push = event.outcome;',
      "d.push = event.outcome;\n  if (isLost(d)) draft.giveUp(d, 'fresh', Cause.noRoute);",
    ],
    [
      'a leg that was hung up says nothing of its phone',
      "return cause === Cause.interworking && hungUp ? 'cancelled' : 'gave-up';",
      "return cause === Cause.interworking ? 'cancelled' : 'gave-up';",
    ],
    ['a phone that came too late is shown the call once', 'd.shownLate = true;', ''],
    ['… and only within its time', ' || draft.now > plus(endedAt, draft.policy(d).showEndedMs)', ''],
    ['one retry is enough', ' || d.pushes > 1', ''],
    [
      'who has registered is not pushed again',
      "d.push === 'accepted' && !hasRegistered(d) && !d.rang",
      "d.push === 'accepted'",
    ],
    [
      'whether a call still waits is not known while the link is away',
      'else if (linkUp) pushAgain',
      'else if (d) pushAgain',
    ],
    ['who is awake is rung, not pushed', "if (device.push === 'awake') draft.step", 'if (false) draft.step'],
    ['who was taken for awake and is not is pushed after all', 'if (isGone) pushAfterAll(draft, device);', ''],
    ['only 603 speaks for all devices', 'cause !== Cause.rejected || ', ''],
    ['the dialplan hears that a phone came', "draft.status('WOKEN', undefined);", ''],
    [
      'the wake that came in stays as it was',
      'before.devices.map((d) =>',
      '(before.devices as never[]) || before.devices.map((d) =>',
    ],
    ['a dead token is told nothing', " || device.push === 'dead') continue;", ') continue;'],
  ];

  it.each(rules)('%s', async (_rule, text, without) => {
    const file = files.find((name) => readFileSync(join(home, name), 'utf8').includes(text));
    expect(file, `"${text}" does not stand in the core of a call: say what replaced it`).toBeDefined();
    const spoilt = await load(file as string, text, without);
    const failing = [
      ...ROWS.filter((row) => fails(() => failures(spoilt, row))),
      ...possible.filter((order) => fails(() => raceFailures(spoilt, order))),
    ];
    expect(failing.length).toBeGreaterThan(0);
  });

  const fails = (run: () => string[]): boolean => {
    try {
      return run().length > 0;
    } catch {
      return true;
    }
  };

  /** A copy of the whole core with one rule taken out. */
  async function load(file: string, text: string, without: string): Promise<WakeCore> {
    const copy = mkdtempSync(join(tmpdir(), 'wake-spoilt-'));
    try {
      cpSync(home, copy, { recursive: true });
      const spoilt = join(copy, file);
      writeFileSync(spoilt, readFileSync(spoilt, 'utf8').replace(text, without));
      return (await import(/* @vite-ignore */ pathToFileURL(join(copy, 'wake.ts')).href)) as WakeCore;
    } finally {
      rmSync(copy, { recursive: true });
    }
  }
});

describe('properties', () => {
  const name = fc.constantFrom('A', 'B', 'C');
  const event = fc.oneof(
    fc.constantFrom('desk answers', 'caller cancels', 'time up', 'link lost', 'link back', 'pbx answers'),
    fc
      .tuple(name, fc.constantFrom('registers', 'registers again', 'rings', 'answers', 'guard', 'arrives'))
      .map((t) => t.join(' ')),
    fc.tuple(name, fc.constantFrom(17, 19, 21, 18, 34, 38, 127)).map(([n, cause]) => `${n} says ${cause}`),
    fc.tuple(name, fc.constantFrom('accepted', 'delayed', 'dead', 'failed')).map(([n, o]) => `${n} push ${o}`),
    fc.constantFrom(50, 300, 500, 1_000, 2_000, 10_000).map((ms) => `wait ${ms}`),
  );
  const held = fc.constantFrom<Held>(
    'nothing',
    'udp old',
    'udp new',
    'tls',
    'udp behind an edge',
    'udp that cannot be dialled',
  );
  const setup: fc.Arbitrary<Setup> = fc.record({
    devices: fc.integer({ min: 1, max: 3 }),
    held: fc.record({ A: held, B: held, C: held }),
    desk: fc.boolean(),
    late: fc.boolean(),
    unknown: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  });
  const only = (devices: number, events: readonly string[]) =>
    events.filter((e) => !/^[ABC] /.test(e) || 'ABC'.indexOf(e[0] as string) < devices);

  it('whatever happens: no exception, one ring per leg, one word per pushed phone, nothing after the end', () => {
    fc.assert(
      fc.property(setup, fc.array(event, { maxLength: 25 }), (s, events) => {
        expect(wrong(play(core, s, only(s.devices ?? 1, events)))).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });

  it('when the call is over, every pushed phone has heard it exactly once: by SIP, by its own answer, or by a word', () => {
    fc.assert(
      fc.property(setup, fc.array(event, { maxLength: 25 }), (s, events) => {
        const game = play(core, s, [...only(s.devices ?? 1, events), 'link back', 'time up']);
        expect(game.overs).toBe(1);
        for (const device of game.wake.devices) {
          const { state } = device.legs.fresh;
          const bySip = device.rang || state === 'dialling' || state === 'answered';
          expect(device.told || bySip || device.push === 'dead').toBe(true);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('the instant it asks to be called at never stands still', () => {
    fc.assert(
      fc.property(setup, fc.array(event, { maxLength: 25 }), (s, events) => {
        const game = play(core, s, only(s.devices ?? 1, events));
        game.do('wait 100000');
        expect(core.wakeDueAt(game.wake)).toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });
});
