/**
 * What may go wrong, and the plan of it: which faults a seed has, when and for how long. Each seed switches a random half of the kinds off
 * (swarm testing), so that rare pairs meet. A plan is data: dropping one of its faults changes nothing of the others.
 */
import { DAY, type DurationMs, HOUR, MINUTE, SECOND } from '../../plugin/core/time.ts';
import type { Chance } from './chance.ts';

interface Kind {
  /** How often in four weeks, on average, where the seed has it. */
  readonly times: number;
  /** How long it lasts: from, to, in ms. */
  readonly lastsMs: readonly [DurationMs, DurationMs];
  /** What it hits, for the story. */
  readonly hits: 'store' | 'pbx' | 'push' | 'phone' | 'node' | 'admin';
}

/** Every kind of fault. */
export const KINDS = {
  // The store.
  storeSlow: { times: 6, lastsMs: [1 * SECOND, 10 * MINUTE], hits: 'store' },
  storeRefuses: { times: 6, lastsMs: [1 * SECOND, 6 * HOUR], hits: 'store' },
  storeHangs: { times: 4, lastsMs: [1 * SECOND, 1 * HOUR], hits: 'store' },
  storeLosesAnswers: { times: 6, lastsMs: [1 * SECOND, 10 * MINUTE], hits: 'store' },
  storeFailover: { times: 4, lastsMs: [0, 0], hits: 'store' },
  // The PBX and the way to it.
  linkCut: { times: 8, lastsMs: [1 * SECOND, 12 * HOUR], hits: 'pbx' },
  linkLong: { times: 1, lastsMs: [12 * HOUR, 3 * DAY], hits: 'pbx' },
  pbxRestart: { times: 4, lastsMs: [1 * SECOND, 2 * MINUTE], hits: 'pbx' },
  pbxSilent: { times: 6, lastsMs: [1 * SECOND, 1 * HOUR], hits: 'pbx' },
  pbxSlow: { times: 6, lastsMs: [10 * SECOND, 1 * HOUR], hits: 'pbx' },
  secondReport: { times: 6, lastsMs: [1 * HOUR, 2 * DAY], hits: 'pbx' },
  ordersFail: { times: 4, lastsMs: [1 * MINUTE, 12 * HOUR], hits: 'pbx' },
  linkFlapsInCalls: { times: 3, lastsMs: [1 * HOUR, 2 * DAY], hits: 'pbx' },
  pbxClock: { times: 2, lastsMs: [1 * HOUR, 2 * DAY], hits: 'pbx' },
  // The push services and the way to the phone.
  pushOutage: { times: 5, lastsMs: [10 * SECOND, 18 * HOUR], hits: 'push' },
  pushSilent: { times: 4, lastsMs: [10 * SECOND, 2 * HOUR], hits: 'push' },
  pushSlow: { times: 6, lastsMs: [1 * MINUTE, 4 * HOUR], hits: 'push' },
  pushLosesAnswers: { times: 4, lastsMs: [1 * MINUTE, 4 * HOUR], hits: 'push' },
  pushDoubles: { times: 4, lastsMs: [10 * MINUTE, 1 * DAY], hits: 'push' },
  pushLost: { times: 4, lastsMs: [10 * MINUTE, 1 * DAY], hits: 'push' },
  pushThrottled: { times: 4, lastsMs: [1 * MINUTE, 2 * HOUR], hits: 'push' },
  pushKeyRefused: { times: 3, lastsMs: [10 * MINUTE, 2 * DAY], hits: 'push' },
  pushCallsDead: { times: 2, lastsMs: [1 * MINUTE, 8 * HOUR], hits: 'push' },
  pushSaysAnything: { times: 8, lastsMs: [1 * MINUTE, 1 * DAY], hits: 'push' },
  // Phones and the people who have them.
  phoneOff: { times: 30, lastsMs: [10 * MINUTE, 9 * DAY], hits: 'phone' },
  phoneDozes: { times: 20, lastsMs: [1 * HOUR, 10 * DAY], hits: 'phone' },
  phoneDeaf: { times: 12, lastsMs: [1 * HOUR, 10 * DAY], hits: 'phone' },
  phoneDeleted: { times: 6, lastsMs: [0, 0], hits: 'phone' },
  phoneReinstalled: { times: 6, lastsMs: [0, 0], hits: 'phone' },
  tokenRotated: { times: 12, lastsMs: [0, 0], hits: 'phone' },
  tokenComesLate: { times: 6, lastsMs: [0, 0], hits: 'phone' },
  reinstalledInCalls: { times: 3, lastsMs: [1 * HOUR, 2 * DAY], hits: 'phone' },
  passwordWrong: { times: 6, lastsMs: [10 * MINUTE, 2 * DAY], hits: 'phone' },
  loggedOut: { times: 6, lastsMs: [20 * SECOND, 5 * DAY], hits: 'phone' },
  networkChanges: { times: 20, lastsMs: [0, 0], hits: 'phone' },
  // The nodes of pushwake.
  nodeKilled: { times: 6, lastsMs: [1 * SECOND, 2 * HOUR], hits: 'node' },
  nodeLongGone: { times: 1, lastsMs: [2 * HOUR, 4 * DAY], hits: 'node' },
  nodeCrashes: { times: 8, lastsMs: [1 * SECOND, 1 * MINUTE], hits: 'node' },
  nodeDiesInCalls: { times: 3, lastsMs: [1 * HOUR, 2 * DAY], hits: 'node' },
  nodeHangs: { times: 5, lastsMs: [1 * SECOND, 5 * MINUTE], hits: 'node' },
  machineSuspended: { times: 2, lastsMs: [1 * MINUTE, 2 * DAY], hits: 'node' },
  clockJumps: { times: 3, lastsMs: [1 * MINUTE, 3 * DAY], hits: 'node' },
  // Administrators.
  policyChanged: { times: 3, lastsMs: [1 * HOUR, 10 * DAY], hits: 'admin' },
  linkReloaded: { times: 4, lastsMs: [0, 0], hits: 'admin' },
  observes: { times: 2, lastsMs: [1 * HOUR, 4 * DAY], hits: 'admin' },
  accountDeleted: { times: 4, lastsMs: [0, 0], hits: 'admin' },
  backupRestored: { times: 1, lastsMs: [0, 0], hits: 'admin' },
  expiresChanged: { times: 2, lastsMs: [0, 0], hits: 'admin' },
  // Later ones stand at the end: what a seed had before it has still.
  setUpWrong: { times: 4, lastsMs: [6 * HOUR, 4 * DAY], hits: 'phone' },
  opensAtTheEnd: { times: 4, lastsMs: [1 * DAY, 10 * DAY], hits: 'phone' },
  movesInCalls: { times: 4, lastsMs: [1 * HOUR, 2 * DAY], hits: 'phone' },
  // As Google does with messages of one collapse key to one device.
  noticesThrottled: { times: 4, lastsMs: [1 * HOUR, 10 * DAY], hits: 'push' },
} as const satisfies Record<string, Kind>;

export type FaultKind = keyof typeof KINDS;

export const ALL_KINDS = Object.keys(KINDS) as FaultKind[];

export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: DurationMs;
  /** 0 ≤ x < 1: what it hits, and how hard. */
  readonly where: number;
  readonly much: number;
}

export interface PlanOptions {
  readonly weeks: number;
  /** How many times as often faults come: for short worlds. */
  readonly dense: number;
  /** How many phones there are: what hits phones comes in proportion to them. */
  readonly phones: number;
  /** Kinds that this site cannot have. */
  readonly without?: ReadonlySet<FaultKind>;
  /** Exactly these kinds, in place of what the seed has. */
  readonly only?: readonly FaultKind[] | undefined;
  /** Faults begin only after this long, so that the site has filled. */
  readonly fromMs: DurationMs;
}

/** Kinds that the seed has: about half of them. */
export function kindsOf(chance: Chance): Set<FaultKind> {
  const draw = chance.fork('swarm');
  return new Set(ALL_KINDS.filter(() => draw.happens(0.5)));
}

export function planOf(chance: Chance, { weeks, dense, phones, without, only, fromMs }: PlanOptions): Fault[] {
  const kinds = only ? new Set(only) : kindsOf(chance);
  const untilMs = weeks * 7 * DAY;
  const plan: Fault[] = [];
  for (const kind of ALL_KINDS) {
    if (!kinds.has(kind) || without?.has(kind)) continue;
    const draw = chance.fork(`fault ${kind}`);
    const { times, lastsMs, hits } = KINDS[kind];
    const meanMs = (28 * DAY) / (times * dense * (hits === 'phone' ? phones / 20 : 1));
    for (let atMs = fromMs + draw.wait(meanMs); atMs < untilMs; atMs += draw.wait(meanMs)) {
      const [least, most] = lastsMs;
      const forMs = most === 0 ? 0 : draw.spread(least, most);
      plan.push({ kind, atMs, forMs, where: draw.next(), much: draw.next() });
    }
  }
  return plan.sort((a, b) => a.atMs - b.atMs);
}

export function inWords({ kind, atMs, forMs }: Fault): string {
  return `${stamp(atMs)} ${kind}${forMs > 0 ? ` for ${lasting(forMs)}` : ''}`;
}

/** True time of the world, for people: day, hours, minutes, seconds. */
export function stamp(ms: number): string {
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
  const day = Math.floor(ms / DAY);
  return `d${two(day)} ${two((ms % DAY) / HOUR)}:${two((ms % HOUR) / MINUTE)}:${two((ms % MINUTE) / SECOND)}.${String(Math.floor(ms % SECOND)).padStart(3, '0')}`;
}

export function lasting(ms: DurationMs): string {
  return ms >= DAY
    ? `${(ms / DAY).toFixed(1)} d`
    : ms >= HOUR
      ? `${(ms / HOUR).toFixed(1)} h`
      : ms >= MINUTE
        ? `${(ms / MINUTE).toFixed(1)} min`
        : `${(ms / SECOND).toFixed(1)} s`;
}
