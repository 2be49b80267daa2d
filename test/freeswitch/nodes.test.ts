/**
 * Two pushwakes beside one real FreeSWITCH, their bindings in one Redis, while a call comes every 400 ms: one works, the other takes over when it is
 * killed, frozen, cut off from FreeSWITCH, drained or stopped in order. No call is lost, those in the gap included. docs/scaling.md has the figures.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { FreeswitchScene, freeswitchUsers } from '../support/freeswitch-scene.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';
import { RedisServer } from '../support/redis/instance.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { MOBILES_OF_TRAFFIC, Traffic } from '../support/traffic.ts';

/** From what befell the node that works until the other holds the lease (ms). */
const TAKES_OVER_WITHIN = 5_000;
/** What a call waits longer for its push (ms): half of the dialplan's guard, and the machine has two cores. */
const PUSHED_WITHIN = 1_500;
const TOKEN = 'a-token-of-24-characters';

let scene: FreeswitchScene;
let redis: RedisServer;
let traffic: Traffic;

interface Node {
  readonly process: PushwakeProcess;
  /** Its way to the event socket. */
  readonly door: TcpProxy;
  readonly adminPort: number;
}
const nodes = {} as { a: Node; b: Node };
type Name = keyof typeof nodes;
const other = (name: Name): Name => (name === 'a' ? 'b' : 'a');

beforeAll(async () => {
  redis = await RedisServer.start();
  scene = await FreeswitchScene.start({ users: freeswitchUsers(MOBILES_OF_TRAFFIC), withoutPushwake: true });
  const store = `store: ${JSON.stringify({ type: 'redis', url: redis.url })}`;
  for (const name of ['a', 'b'] as const) {
    const door = await TcpProxy.start(scene.freeswitch.ports.esl);
    const process = name === 'a' ? scene.pushwake : new PushwakeProcess(join(scene.folder, 'b.yaml'));
    const adminPort = await freePort();
    const admin = { listen: `127.0.0.1:${adminPort}`, tokens: [{ name: 't', role: 'operate', token: TOKEN }] };
    const yaml = scene.yaml({ node: name, port: door.port }).replace(/^store: .*$/m, store);
    process.configure(`${yaml}\nhttp: ${JSON.stringify({ admin })}\n`);
    nodes[name] = { process, door, adminPort };
    await up(name);
  }
  traffic = new Traffic({
    scene,
    nodes: [nodes.a.process, nodes.b.process],
    transport: 'tls',
    marked: (aor) => scene.marked(aor),
  });
  await traffic.begin();
});
afterAll(async () => {
  for (const { process, door } of Object.values(nodes)) {
    process.thaw();
    await process.stop('SIGKILL');
    await door.close();
  }
  await scene?.close();
  await redis?.stop();
});
afterEach(async () => {
  await traffic.endCalls();
  await scene.cleanUp();
});

const up = (name: Name) => connectsAnew(name, () => nodes[name].process.start());

/** Its trouble is over, and its link comes up again. */
async function connectsAnew(name: Name, ends: () => unknown): Promise<void> {
  const { process } = nodes[name];
  const from = process.log.length;
  await ends();
  await process.waitForLog((l) => l.msg === 'pbx link up', { from, timeoutMs: 20_000, what: 'its link' });
}

/** The node that FreeSWITCH asks; undefined while nobody's lease is live. */
async function holder(): Promise<Name | undefined> {
  const ask = (command: string) => scene.freeswitch.cli(command);
  const [now, until, node] = await Promise.all([
    ask('strepoch'),
    ask('hash select/pushwake/until'),
    ask('hash select/pushwake/node'),
  ]);
  return Number(until) > Number(now) ? (node as Name) : undefined;
}

let drained: Promise<number | null>;

async function drain(name: Name): Promise<void> {
  drained = nodes[name].process.ended();
  const answer = await fetch(`http://127.0.0.1:${nodes[name].adminPort}/v1/drain`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  expect(answer.status).toBe(202);
}

interface Trouble {
  readonly what: string;
  readonly begin: (name: Name) => unknown;
  readonly lastsMs: number;
  readonly end: (name: Name) => unknown;
}

const TAKES_OVER: readonly Trouble[] = [
  { what: 'killed', begin: (n) => nodes[n].process.stop('SIGKILL'), lastsMs: 8_000, end: up },
  {
    what: 'frozen for 10 s',
    begin: (n) => nodes[n].process.freeze(),
    lastsMs: 10_000,
    // It finds that it was dead for its PBX, and connects anew.
    end: (n) => connectsAnew(n, () => nodes[n].process.thaw()),
  },
  {
    what: 'cut off from FreeSWITCH for 10 s, and nobody is told',
    begin: (n) => nodes[n].door.stall(),
    lastsMs: 10_000,
    end: (n) => connectsAnew(n, () => nodes[n].door.mend()),
  },
  {
    what: 'cut off from FreeSWITCH for 10 s, its connection reset',
    begin: (n) => nodes[n].door.cut(),
    lastsMs: 10_000,
    end: (n) => connectsAnew(n, () => nodes[n].door.mend()),
  },
  { what: 'stopped in order', begin: (n) => nodes[n].process.stop(), lastsMs: 8_000, end: up },
  {
    what: 'drained',
    begin: (n) => drain(n),
    lastsMs: 8_000,
    end: async (n) => {
      expect(await drained).toBe(4);
      await up(n);
    },
  },
];

it.each(TAKES_OVER)(
  'the node that works is $what: the other has its calls within 5 s',
  { timeout: 120_000 },
  async (o) => {
    const works = (await holder()) as Name;
    expect(works).toBeDefined();
    const from = Object.values(nodes).map(({ process }) => process.log.length);
    traffic.beginCalls();
    await delay(2_000);
    const begunMs = performance.now();
    await o.begin(works);
    await expect.poll(holder, { interval: 50, timeout: TAKES_OVER_WITHIN + 5_000 }).toBe(other(works));
    const tookMs = Math.round(performance.now() - begunMs);
    await delay(Math.max(0, o.lastsMs - (performance.now() - begunMs)));
    await o.end(works);
    await delay(2_000);
    expect(await holder()).toBe(other(works));
    const calls = await traffic.endCalls();

    const lost = calls.filter((c) => c.status !== 200);
    const repeated = calls.filter((c) => c.pushes > 1).length;
    const slowest = Math.round(Math.max(...calls.map((c) => c.afterMs ?? Number.POSITIVE_INFINITY)));
    const taken = nodes[other(works)].process.log.slice(from[works === 'a' ? 1 : 0]);
    const overTaken = taken.filter((l) => l.msg.startsWith('call taken over')).length;
    console.log(`${o.what}: ${JSON.stringify({ calls: calls.length, lost, repeated, slowest, tookMs, overTaken })}`);
    if (lost.length > 0) console.log(traffic.story(from, lost));
    expect(lost, 'lost calls').toEqual([]);
    expect(slowest).toBeLessThan(PUSHED_WITHIN);
    expect(tookMs).toBeLessThan(TAKES_OVER_WITHIN);
  },
);

it('the node that works stands still for a second: the other takes what comes meanwhile, and nothing else', {
  timeout: 60_000,
}, async () => {
  const works = (await holder()) as Name;
  const from = Object.values(nodes).map(({ process }) => process.log.length);
  traffic.beginCalls();
  await delay(2_000);
  nodes[works].process.freeze();
  await delay(1_000);
  nodes[works].process.thaw();
  await delay(3_000);
  const calls = await traffic.endCalls();
  const lost = calls.filter((c) => c.status !== 200);
  const repeated = calls.filter((c) => c.pushes > 1).length;
  const slowest = Math.round(Math.max(...calls.map((c) => c.afterMs ?? Number.POSITIVE_INFINITY)));
  console.log(`still for 1 s: ${JSON.stringify({ calls: calls.length, lost, repeated, slowest })}`);
  if (lost.length > 0) console.log(traffic.story(from, lost));
  expect(lost, 'lost calls').toEqual([]);
  expect(slowest).toBeLessThan(PUSHED_WITHIN);
});
