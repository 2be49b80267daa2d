/**
 * pushwake beside Kamailio in front of the same Asterisk, both waking the same kind of phone: how long, what it costs, and what
 * is lost when it is killed. The REGISTERs beside the calls go where the phones register: to Asterisk, and to Kamailio.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Result } from '../bench.ts';
import { burst, figures, type Measured, measure, oneCall, percentile } from './calls.ts';
import { type Contender, MANY, paramsOf, Stage } from './stage.ts';

const REGISTERS = 500;
const BURSTS = 5;
const KILLS = 3;
const TICK_MS = 10;
/** From the push until each of the two has what it needs to go on waiting, with room. */
const WAITS_AFTER_MS = 200;

type Progress = (line: string) => void;

export async function besideKamailio(progress: Progress, calls: number): Promise<Result[]> {
  progress('Kamailio in front');
  const stage = await Stage.set({ hep: true });
  try {
    const ours = await stage.contender('ours', '1001', 'tcp');
    const kamailio = await stage.contender('kamailio', '1401', 'tcp');
    const floor = await stage.contender('floor', '1101', 'tcp');
    const idle = await measure(stage, calls, [ours, kamailio, floor]);
    const results = inTurn('idle', idle);

    progress(`Kamailio in front: beside ${REGISTERS} REGISTER/s`);
    const loaded = new Map<string, Measured>();
    for (const c of [ours, kamailio]) {
      const at = c === kamailio ? (await stage.kamailio()).address.udp : undefined;
      const stop = await stage.registerLoad(REGISTERS, at);
      loaded.set(c.name, (await measure(stage, calls, [c])).get(c.name) as Measured);
      results.push({ name: `${c.name}: REGISTERs done beside the calls`, value: await stop(), unit: '/s' });
      await delay(2_000);
    }
    results.push(...inTurn(`${REGISTERS} REGISTER/s`, loaded));

    progress('Kamailio in front: processor time');
    for (const c of [ours, kamailio]) results.push(await cost(stage, c, Math.min(calls, 100)));

    progress(`Kamailio in front: ${MANY} calls at once`);
    results.push(...(await atOnce(stage)));

    progress('Kamailio in front: killed');
    for (const c of [ours, kamailio]) results.push(...(await killed(stage, c)));
    return results;
  } finally {
    await stage.close();
  }
}

function inTurn(label: string, found: ReadonlyMap<string, Measured>): Result[] {
  const results: Result[] = [];
  for (const [name, m] of found) {
    const f = figures(m);
    const n = m.toPush.length;
    results.push(
      { name: `${label}: INVITE → push, ${name}, p50 (n=${n})`, value: f.pushP50, unit: 'ms' },
      { name: `${label}: INVITE → push, ${name}, p99`, value: f.pushP99, unit: 'ms' },
      { name: `${label}: REGISTER → INVITE, ${name}, p50`, value: f.ringP50, unit: 'ms' },
      { name: `${label}: REGISTER → INVITE, ${name}, p99`, value: f.ringP99, unit: 'ms' },
      { name: `${label}: calls that never rang, ${name}`, value: n - m.toInvite.length, unit: '' },
    );
  }
  const [ours, kamailio] = [found.get('ours'), found.get('kamailio')].map((m) => m && figures(m));
  if (!ours || !kamailio) return results;
  for (const key of ['pushP50', 'pushP99', 'ringP50', 'ringP99'] as const)
    results.push({ name: `${label}: ${key}, ours / Kamailio`, value: ours[key] / kamailio[key], unit: '×' });
  return results;
}

/** Processor time of everything that a call goes through, less what the same processes use while nothing happens. */
async function cost(stage: Stage, c: Contender, calls: number): Promise<Result> {
  const { asterisk, pushwake } = stage.scene;
  const beside = c.name === 'kamailio' ? (await stage.kamailio()).pids : [pushwake.pid];
  const pids = [asterisk.pid, ...beside].filter((pid) => pid !== undefined);
  const begun = performance.now();
  const before = usedMs(pids);
  await measure(stage, calls, [c]);
  const used = usedMs(pids) - before;
  const lastedMs = performance.now() - begun;
  const restMs = 5_000;
  const atRest = usedMs(pids);
  await delay(restMs);
  const idle = ((usedMs(pids) - atRest) / restMs) * lastedMs;
  return { name: `processor time per call, ${c.name} with Asterisk`, value: (used - idle) / calls, unit: 'ms' };
}

/** User and system time of these processes since they began, in milliseconds. */
function usedMs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * TICK_MS;
}

async function atOnce(stage: Stage): Promise<Result[]> {
  const last = { ours: [] as number[], kamailio: [] as number[] };
  const phones: Record<keyof typeof last, Contender[]> = { ours: [], kamailio: [] };
  for (let i = 0; i < MANY; i++) {
    const nth = String(i + 11).padStart(2, '0');
    phones.ours.push(await stage.contender('ours', `10${nth}`, 'tcp'));
    phones.kamailio.push(await stage.contender('kamailio', `14${nth}`, 'tcp'));
  }
  for (const { phone } of [...phones.ours, ...phones.kamailio]) await phone.sleep();
  await delay(500);
  for (let i = 0; i < BURSTS; i++) {
    for (const who of ['ours', 'kamailio'] as const) {
      const numbers = phones[who].map((c) => c.number);
      const tokens = phones[who].map((c) => c.identity.voip);
      last[who].push(await burst(stage, numbers, tokens));
      await delay(300);
    }
  }
  const [mine, theirs] = [percentile(last.ours, 0.5), percentile(last.kamailio, 0.5)];
  return [
    { name: `${MANY} calls at once: last push, ours, median of ${BURSTS}`, value: mine, unit: 'ms' },
    { name: `${MANY} calls at once: last push, Kamailio, median of ${BURSTS}`, value: theirs, unit: 'ms' },
    { name: `${MANY} calls at once: last push, ours / Kamailio`, value: mine / theirs, unit: '×' },
  ];
}

/**
 * It is killed and back after a second, as under systemd: while a call waits for its phone, and while two talk. A phone whose
 * connection went with it comes back by itself, as real ones do.
 */
async function killed(stage: Stage, c: Contender): Promise<Result[]> {
  const found = { waiting: 0, callerHangsUp: 0, phoneHangsUp: 0, next: 0 };
  for (let i = 0; i < KILLS; i++) {
    if (await rangAfterKill(stage, c)) found.waiting++;
    if (await endsAfterKill(stage, c, 'caller')) found.callerHangsUp++;
    if (await endsAfterKill(stage, c, 'phone')) found.phoneHangsUp++;
    // Is a phone that has slept through it known still?
    await c.phone.sleep();
    await kill(stage, c);
    if (await wakes(stage, c)) found.next++;
    await c.phone.register({ contactParams: paramsOf(c.name, c.identity) });
  }
  const row = (what: string, value: number) => ({ name: `killed, ${c.name}: ${what}, of ${KILLS}`, value, unit: '' });
  return [
    row('the call that waited rings once its phone has registered', found.waiting),
    row('the phone hears that the caller has hung up', found.callerHangsUp),
    row('the caller hears that the phone has hung up', found.phoneHangsUp),
    row('a phone that slept meanwhile is woken by the next call', found.next),
  ];
}

/** Whether a call is pushed and rings. */
async function wakes(stage: Stage, c: Contender): Promise<boolean> {
  const into: Measured = { toPush: [], toInvite: [] };
  return (await oneCall(stage, c, into, 3_000)) && Number.isFinite(into.toPush[0]);
}

async function kill(stage: Stage, c: Contender): Promise<void> {
  if (c.name === 'kamailio') return (await stage.kamailio()).killAndRestart();
  const { pushwake } = stage.scene;
  await pushwake.stop('SIGKILL');
  await delay(1_000);
  await stage.scene.startPushwake();
}

/** A phone whose connection was shut connects anew and registers. */
async function comeBack(c: Contender): Promise<void> {
  if (c.phone.isOpen) return;
  await c.phone.wake();
  await c.phone.register({ contactParams: paramsOf(c.name, c.identity), newCallId: true });
}

async function rangAfterKill(stage: Stage, c: Contender): Promise<boolean> {
  await c.phone.sleep();
  const nth = c.phone.incoming.length;
  const pushed = Promise.withResolvers<void>();
  const stop = stage.scene.apns.onPush(c.identity.voip, () => pushed.resolve());
  const call = await stage.caller.call(c.number);
  await Promise.race([pushed.promise, delay(5_000)]);
  stop();
  // The push goes first: a moment later the call waits for its phone. Killed before that, ours goes the plain way by the guard.
  await delay(WAITS_AFTER_MS);
  await kill(stage, c);
  await c.phone.wake();
  await c.phone.register({ contactParams: paramsOf(c.name, c.identity), newCallId: true });
  const rung = await c.phone.waitForCall(5_000, nth + 1).catch(() => undefined);
  call.cancel();
  await Promise.race([call.done, delay(5_000)]);
  return rung !== undefined;
}

async function endsAfterKill(stage: Stage, c: Contender, who: 'caller' | 'phone'): Promise<boolean> {
  await c.phone.sleep();
  const nth = c.phone.incoming.length;
  const woken = stage.scene.apns.onPush(c.identity.voip, () => {
    void c.phone.wake().then(() => c.phone.register({ contactParams: paramsOf(c.name, c.identity), newCallId: true }));
  });
  const call = await stage.caller.call(c.number);
  const rung = await c.phone.waitForCall(5_000, nth + 1).catch(() => undefined);
  woken();
  // It was not known any more: that is a loss of its own.
  if (!rung) {
    call.cancel();
    await call.done;
    return false;
  }
  await rung.answer();
  await call.waitForState('answered');
  await kill(stage, c);
  await comeBack(c);
  const heard = who === 'caller' ? rung.waitForState('ended') : call.waitForState('ended');
  void (who === 'caller' ? call : rung).hangup().catch(() => undefined);
  return Promise.race([heard.then(() => true), delay(3_000, false)]);
}
