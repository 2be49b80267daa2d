/**
 * How long a call waits for pushwake: INVITE to push, REGISTER to INVITE, side by side with the floor, with Kamailio in front
 * and with today's recipe on the same Asterisk, in turn. `--calls=100` per figure, `--bindings=10,1000000`; `--only=texts`,
 * `--only=kamailio`, `--only=woken` (how many of many woken phones ring beside a load of REGISTERs), `--only=idle` (beside the floor, at rest) or
 * `--only=loaded` (beside the floor and the load): that part alone. Both take `--dials-in` (Asterisk opens the link) and one size of `--bindings`.
 */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Result, Suite } from './bench.ts';
import { besideKamailio } from './wake/beside-kamailio.ts';
import { burst, type Figures, figures, type Measured, measure, oneCall, percentile } from './wake/calls.ts';
import { type Contender, MANY, Stage } from './wake/stage.ts';
import { waitingTexts } from './wake/texts.ts';

/** Fills a store. */
const CHILD = fileURLToPath(new URL('./bindings-child.ts', import.meta.url));

const BURSTS = 5;
const REGISTERS = 500;

/** A phone wakes on another port while its old contact is still stored: how often it rings. */
async function rings(stage: Stage, c: Contender, times: number): Promise<number> {
  let rang = 0;
  for (let i = 0; i < times; i++) {
    await c.phone.sleep();
    await delay(20);
    if (await oneCall(stage, c, { toPush: [], toInvite: [] }, 1_500)) rang++;
  }
  return rang;
}

function compared(label: string, found: ReadonlyMap<string, Measured>): Result[] {
  const results: Result[] = [];
  const [ours, floor] = [found.get('ours'), found.get('floor')].map((m) => m && figures(m));
  for (const [name, m] of found) {
    const f = figures(m);
    const n = `n=${m.toPush.length}`;
    results.push(
      { name: `${label}: INVITE → push, ${name}, p50 (${n})`, value: f.pushP50, unit: 'ms' },
      { name: `${label}: INVITE → push, ${name}, p99`, value: f.pushP99, unit: 'ms' },
      { name: `${label}: REGISTER → INVITE, ${name}, p50 (n=${m.toInvite.length})`, value: f.ringP50, unit: 'ms' },
      { name: `${label}: REGISTER → INVITE, ${name}, p99`, value: f.ringP99, unit: 'ms' },
    );
  }
  // No target: Asterisk itself shuts a new connection now and then where many are opened (docs/limits.md).
  for (const [name, { toPush, toInvite }] of found)
    results.push({
      name: `${label}: calls that never rang, ${name}`,
      value: toPush.length - toInvite.length,
      unit: '',
    });
  if (!ours || !floor) return results;
  const beside = (name: string, key: keyof Figures, limit: number): Result => ({
    name: `${label}: ${name}, ours / floor`,
    value: ours[key] / floor[key],
    unit: '×',
    target: `<=${limit}`,
  });
  results.push(
    beside('INVITE → push p50', 'pushP50', 1.15),
    beside('INVITE → push p99', 'pushP99', 1.3),
    beside('REGISTER → INVITE p50', 'ringP50', 1.2),
    beside('REGISTER → INVITE p99', 'ringP99', 1.3),
  );
  return results;
}

/**
 * How much slower than in the first case. What a load does to Asterisk it does to the floor script as well, on a machine of two
 * processors by half: so ours is judged against what became of the script.
 */
function unchanged(
  all: ReadonlyMap<string, { readonly ours: Figures; readonly floor: Figures }>,
  first: string,
): Result[] {
  const base = all.get(first);
  if (!base) return [];
  return [...all].flatMap(([name, { ours, floor }]) =>
    name === first
      ? []
      : (['pushP50', 'ringP50'] as const).flatMap((key): Result[] => {
          const what = `${key === 'pushP50' ? 'INVITE → push' : 'REGISTER → INVITE'} p50: ${name} / ${first}`;
          const slower = { ours: ours[key] / base.ours[key], floor: floor[key] / base.floor[key] };
          return [
            { name: `${what}, ours`, value: slower.ours, unit: '×' },
            { name: `${what}, floor`, value: slower.floor, unit: '×' },
            { name: `${what}, ours / floor`, value: slower.ours / slower.floor, unit: '×', target: '<=1.2' },
          ];
        }),
  );
}

export const wake: Suite = async (progress, options) => {
  const calls = Number(options.get('calls') ?? 100);
  const sizes = (options.get('bindings') ?? '10,1000000').split(',').map(Number);
  const results: Result[] = [];
  if (options.get('only') === 'texts') return texts(progress, calls);
  if (options.get('only') === 'kamailio') return besideKamailio(progress, calls);
  if (options.get('only') === 'woken') return woken(progress, calls);
  const beside = { dialsIn: options.has('dials-in'), bindings: options.get('bindings') };
  if (options.get('only') === 'idle') return idleAlone(progress, calls, beside);
  if (options.get('only') === 'loaded') return loadedAlone(progress, calls, beside);
  const all = new Map<string, { readonly ours: Figures; readonly floor: Figures }>();
  const note = (name: string, found: ReadonlyMap<string, Measured>) => {
    const of = (who: string) => figures(found.get(who) as Measured);
    all.set(name, { ours: of('ours'), floor: of('floor') });
  };
  for (const size of sizes) {
    const label = `${size.toLocaleString('en-US')} bindings`;
    progress(`${label}: filling the store, starting Asterisk, pushwake and the floor script`);
    const stage = await Stage.set({ hep: true, fill: fillWith(String(size)) });
    try {
      const phones = [
        await stage.contender('ours', '1001', 'tcp'),
        await stage.contender('floor', '1101', 'tcp'),
        ...(size === sizes[0] ? [await stage.contender('curl', '1201', 'tcp')] : []),
      ];
      progress(`${label}: idle`);
      const idle = await measure(stage, calls, phones);
      results.push(...compared(`${label}, idle`, idle));
      note(`${size} idle`, idle);

      progress(`${label}: beside ${REGISTERS} REGISTER/s`);
      const stop = await stage.registerLoad(REGISTERS);
      const loaded = await measure(stage, calls, phones.slice(0, 2));
      results.push(
        { name: `${label}: REGISTERs done beside the calls`, value: await stop(), unit: '/s' },
        ...compared(`${label}, ${REGISTERS} REGISTER/s`, loaded),
      );
      note(`${size} loaded`, loaded);
      await delay(2_000);

      if (size === sizes[0]) results.push(...(await others(stage, progress, calls)));
    } finally {
      await stage.close();
    }
  }
  results.push(...unchanged(all, `${sizes[0]} idle`));
  results.push(...(await besideKamailio(progress, calls)));
  results.push(...(await texts(progress, calls)));
  progress('without HEP: seen by watching only');
  const stage = await Stage.set({ hep: false });
  try {
    const watched = await measure(stage, Math.ceil(calls / 4), [await stage.contender('ours', '1001', 'udp')], true);
    const f = figures(watched.get('ours') as Measured);
    results.push(
      { name: 'UDP refresh, no HEP, seen by watching: REGISTER → INVITE p50', value: f.ringP50, unit: 'ms' },
      { name: 'UDP refresh, no HEP, seen by watching: REGISTER → INVITE p99', value: f.ringP99, unit: 'ms' },
    );
  } finally {
    await stage.close();
  }
  return results;
};

/** Where many connections are opened Asterisk shuts a new one now and then: its phone registers again, and has to ring. */
async function woken(progress: (line: string) => void, calls: number): Promise<Result[]> {
  const stage = await Stage.set({ hep: true });
  try {
    progress(`${calls} phones are woken beside ${REGISTERS} REGISTER/s`);
    const stop = await stage.registerLoad(REGISTERS);
    const found = await measure(stage, calls, [await stage.contender('ours', '1001', 'tcp')]);
    const m = found.get('ours') as Measured;
    const f = figures(m);
    return [
      { name: 'REGISTERs done beside the calls', value: await stop(), unit: '/s' },
      { name: `woken phones that ring, of ${calls}`, value: m.toInvite.length, unit: '', target: `>=${calls}` },
      { name: 'REGISTER → INVITE p50', value: f.ringP50, unit: 'ms' },
      { name: 'REGISTER → INVITE p99', value: f.ringP99, unit: 'ms' },
      { name: 'REGISTER → INVITE, the slowest', value: Math.max(...m.toInvite), unit: 'ms' },
    ];
  } finally {
    await stage.close();
  }
}

const fillWith = (bindings: string) => async (file: string) =>
  void (await promisify(execFile)(process.execPath, [CHILD, 'fill', file, bindings]));

interface Beside {
  readonly dialsIn: boolean;
  /** Undefined: none but those of the phones. */
  readonly bindings: string | undefined;
}

function stageBeside(progress: (line: string) => void, { dialsIn, bindings }: Beside): Promise<Stage> {
  if (bindings !== undefined) progress(`${bindings} bindings: filling the store`);
  return Stage.set({ hep: true, dialsIn, ...(bindings !== undefined && { fill: fillWith(bindings) }) });
}

/** What a change of the way from event to order does, in a minute; or what so many bindings do. */
async function idleAlone(progress: (line: string) => void, calls: number, beside: Beside): Promise<Result[]> {
  const stage = await stageBeside(progress, beside);
  try {
    progress(`${calls} calls beside the floor`);
    const phones = [await stage.contender('ours', '1001', 'tcp'), await stage.contender('floor', '1101', 'tcp')];
    const found = await measure(stage, calls, phones);
    return [...compared('idle', found), ...(await atOnce(stage, progress))];
  } finally {
    await stage.close();
  }
}

/** The same beside a load: what a change does to the tail. */
async function loadedAlone(progress: (line: string) => void, calls: number, beside: Beside): Promise<Result[]> {
  const stage = await stageBeside(progress, beside);
  try {
    const phones = [await stage.contender('ours', '1001', 'tcp'), await stage.contender('floor', '1101', 'tcp')];
    progress(`${calls} calls beside the floor and ${REGISTERS} REGISTER/s`);
    const stop = await stage.registerLoad(REGISTERS);
    const found = await measure(stage, calls, phones);
    await stop();
    return compared('loaded', found);
  } finally {
    await stage.close();
  }
}

async function texts(progress: (line: string) => void, count: number): Promise<Result[]> {
  progress('texts that wait');
  const stage = await Stage.set({ hep: true, texts: true });
  try {
    return await waitingTexts(stage, count);
  } finally {
    await stage.close();
  }
}

/** What is measured once: a refresh told by HEP, the burst, and the contact that is still stored. */
async function others(stage: Stage, progress: (line: string) => void, calls: number): Promise<Result[]> {
  progress('a refresh, told by HEP');
  const refreshed = await measure(stage, Math.ceil(calls / 4), [await stage.contender('ours', '1002', 'udp')], true);
  const hep = figures(refreshed.get('ours') as Measured);
  const burst = await atOnce(stage, progress);

  progress('a phone that wakes on another port, its old contact still stored');
  const stale = await stage.contender('ours', '1003', 'udp');
  const recipe = await stage.contender('curl', '1301', 'udp');
  await recipe.phone.register();
  return [
    {
      name: `a refresh told by HEP: REGISTER → INVITE p50 (n=${Math.ceil(calls / 4)})`,
      value: hep.ringP50,
      unit: 'ms',
    },
    { name: 'a refresh told by HEP: REGISTER → INVITE p99', value: hep.ringP99, unit: 'ms' },
    ...burst,
    {
      name: 'old contact still stored, ours: rings, of 10',
      value: await rings(stage, stale, 10),
      unit: '',
      target: '>=10',
    },
    { name: 'old contact still stored, curl and look: rings, of 10', value: await rings(stage, recipe, 10), unit: '' },
  ];
}

async function atOnce(stage: Stage, progress: (line: string) => void): Promise<Result[]> {
  progress(`${MANY} calls at once`);
  const many = [];
  for (let i = 0; i < MANY; i++) {
    const phone = await stage.contender('ours', `10${String(i + 11).padStart(2, '0')}`, 'tcp');
    await phone.phone.sleep();
    many.push(phone);
  }
  await delay(500);
  const last: { ours: number[]; floor: number[] } = { ours: [], floor: [] };
  const floor = stage.floorToken();
  for (let i = 0; i < BURSTS; i++) {
    last.ours.push(
      await burst(
        stage,
        many.map((m) => m.number),
        many.map((m) => m.identity.voip),
      ),
    );
    await delay(300);
    last.floor.push(
      await burst(
        stage,
        many.map(() => '61101'),
        [floor],
      ),
    );
    await delay(300);
  }
  const [mine, theirs] = [percentile(last.ours, 0.5), percentile(last.floor, 0.5)];
  return [
    { name: `${MANY} calls at once: last push, ours, median of ${BURSTS}`, value: mine, unit: 'ms' },
    { name: `${MANY} calls at once: last push, floor, median of ${BURSTS}`, value: theirs, unit: 'ms' },
    { name: `${MANY} calls at once: last push, ours / floor`, value: mine / theirs, unit: '×', target: '<=1.3' },
  ];
}
