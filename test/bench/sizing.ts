/**
 * `npm run bench -- sizing`: what a site of so many phones needs, by arithmetic over what was measured. It measures nothing;
 * `docs/scaling.md` shows its table, and `npm test -- sizing` holds the two together.
 */
import type { Result, Suite } from './bench.ts';

/** What one of each costs. From docs/performance.md and docs/scaling.md, where the command stands that measures it. */
export const COSTS = {
  /** `bench -- cluster`: bytes of Redis per binding. */
  redisBytes: 1_281,
  /** `bench -- cluster`: Redis' processor time for a renewal, µs. */
  redisRenewalUs: 15.4,
  /** `bench -- cluster`: Redis' processor time for a step of due work, µs. */
  redisStepUs: 24,
  /** `bench -- bindings`: a node's processor time for a REGISTER, µs. */
  registerUs: 57,
  /** `bench -- push`: a node's processor time for a push to Apple, µs. */
  pushUs: 51,
  /** `bench -- cluster`: due notices a second of one node, each asked at a PBX that is 20 ms away. */
  asksPerSecond: 1_006,
  /** `bench -- wake`: contacts a second that one PBX is asked for after a connect, calls undisturbed. */
  resyncPerSecond: 4_500,
} as const;

/** What people do. Each may be given: `--calls=8`. */
export const HABITS = {
  /** Calls per phone and day. Each is one push, and one closing word where the phone did not take it. */
  calls: 8,
  /** REGISTERs per phone and day: apps that refresh each hour. Most sleep and send fewer. */
  registers: 24,
  /** Phones that nobody opens for a week, per cent: they get refresh pushes for a day, two notices, and an end. */
  unopened: 10,
  /** Accounts on one PBX. */
  perPbx: 5_000,
  /** What falls into the busiest hour of a day, per cent. */
  busiestHour: 12,
} as const;

export type Habits = { readonly [K in keyof typeof HABITS]: number };

const DAY_S = 86_400;
const HOUR_S = 3_600;
/** A node or a Redis that is busier than this in the busiest hour has no room for a bad day. */
const BUSY_AT_MOST = 0.5;
/** A Redis server that forks to save needs room beside it. */
const SHARD_BYTES = 25e9;
/** Refresh pushes of a phone that nobody opens: one an hour of its last day, but none in the hour after a notice. */
const REFRESHES = 22;
/** Asks at the PBX, and steps of due work, of such a phone: two notices and the end. */
const ASKS = 3;

export interface Sizing {
  readonly redisGB: number;
  readonly redisBusy: number;
  readonly shards: number;
  readonly pushesADay: number;
  readonly pushesASecond: number;
  readonly registersASecond: number;
  readonly asksASecond: number;
  readonly resyncS: number;
  readonly nodesBusy: number;
  readonly nodes: number;
}

/** Per second where nothing else is said, in the busiest hour. */
export function sized(phones: number, habits: Habits = HABITS): Sizing {
  const peak = (aDay: number) => (aDay * (habits.busiestHour / 100)) / HOUR_S;
  const unopenedADay = (phones * (habits.unopened / 100)) / 7;
  const callPushes = phones * habits.calls * 2;
  const pushesADay = callPushes + unopenedADay * (REFRESHES + ASKS);
  const registersASecond = peak(phones * habits.registers);
  const pushesASecond = peak(pushesADay);
  const steps = peak(unopenedADay * (REFRESHES + ASKS));
  const asksASecond = (unopenedADay * ASKS) / DAY_S;
  const redisBytes = phones * COSTS.redisBytes;
  const redisBusy = (registersASecond * COSTS.redisRenewalUs + steps * COSTS.redisStepUs) / 1e6;
  const nodesBusy = (registersASecond * COSTS.registerUs + pushesASecond * COSTS.pushUs) / 1e6;
  const needed = Math.max(nodesBusy / BUSY_AT_MOST, asksASecond / COSTS.asksPerSecond);
  return {
    redisGB: redisBytes / 1e9,
    redisBusy,
    shards: Math.max(1, Math.ceil(redisBytes / SHARD_BYTES), Math.ceil(redisBusy / BUSY_AT_MOST)),
    pushesADay,
    pushesASecond,
    registersASecond,
    asksASecond,
    resyncS: Math.min(phones, habits.perPbx) / COSTS.resyncPerSecond,
    nodesBusy,
    nodes: Math.ceil(needed) + 1,
  };
}

const ROWS: readonly (readonly [string, (s: Sizing) => string])[] = [
  ['Redis memory', (s) => (s.redisGB < 1 ? `${number(s.redisGB * 1_000)} MB` : `${number(s.redisGB)} GB`)],
  ['Redis, of a core', (s) => percent(s.redisBusy)],
  ['Redis servers', (s) => String(s.shards)],
  ['pushes a day', (s) => number(s.pushesADay)],
  ['pushes a second', (s) => number(s.pushesASecond)],
  ['REGISTERs a second', (s) => number(s.registersASecond)],
  ['PBX queries a second, all PBXs', (s) => number(s.asksASecond)],
  ['after a connect, one PBX is read in', (s) => `${number(s.resyncS)} s`],
  ['nodes, of a core all together', (s) => percent(s.nodesBusy)],
  ['nodes, one of them a spare', (s) => String(s.nodes)],
];

/** The table of docs/scaling.md. */
export function sizingTable(sizes: readonly number[], habits: Habits = HABITS): string {
  const all = sizes.map((phones) => sized(phones, habits));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(['phones', ...sizes.map(number)]),
    line(['---', ...sizes.map(() => '---')]),
    ...ROWS.map(([name, of]) => line([name, ...all.map(of)])),
  ].join('\n');
}

/** Two figures are enough for an estimate. */
function number(value: number): string {
  if (value === 0) return '0';
  const step = 10 ** Math.max(-3, Math.floor(Math.log10(value)) - 1);
  return (+(Math.round(value / step) * step).toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 3 });
}

const percent = (value: number) => `${number(value * 100)} %`;

export const sizing: Suite = (progress, options) => {
  const sizes = (options.get('phones') ?? '10000,1000000,50000000').split(',').map(Number);
  const habits = Object.fromEntries(
    Object.entries(HABITS).map(([name, value]) => [name, Number(options.get(name) ?? value)]),
  ) as Habits;
  for (const line of sizingTable(sizes, habits).split('\n')) progress(line);
  const results = sizes.map((phones): Result => {
    return { name: `${number(phones)} phones: nodes`, value: sized(phones, habits).nodes, unit: '' };
  });
  return Promise.resolve(results);
};
