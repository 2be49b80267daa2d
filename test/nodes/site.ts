/**
 * Two nodes beside one real Asterisk, their bindings in one Redis, while a call comes every 400 ms: to phones that sleep and are woken, and to one
 * that is awake and that pushwake knows nothing of. What befalls Redis or the nodes meanwhile is the test's.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { Health } from '../../plugin/http/health.ts';
import { CALLS_DIALPLAN, callUsers, Mobile } from '../asterisk/calls-support.ts';
import { freePort } from '../support/free-port.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { Scene, type WokenPhone } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

export const CALL_EVERY_MS = 400;
const SLEEPERS = 12;
const OPERATOR = 'a-token-of-24-characters';
/** Registers meanwhile. */
export const LATE_COMER = '1013';
const AWAKE = '1014';

export interface CallSeen {
  readonly user: string;
  readonly status: number;
  /** From INVITE to call push, in ms; of the one that is awake: to its ringing. */
  readonly afterMs: number | undefined;
  readonly pushes: number;
  readonly atMs: number;
}

export class TwoNodes {
  readonly scene: Scene;
  readonly a: PushwakeProcess;
  readonly b: PushwakeProcess;
  readonly mobiles = new Map<string, Mobile & { readonly woken: WokenPhone }>();
  readonly #ports: readonly [number, number];
  #caller: SipPhone | undefined;
  #awake: SipPhone | undefined;
  #calling: Promise<CallSeen[]> | undefined;
  #ends = false;

  private constructor(scene: Scene, ports: readonly [number, number]) {
    this.scene = scene;
    this.a = scene.pushwake;
    this.b = new PushwakeProcess(join(scene.folder, 'b.yaml'));
    this.#ports = ports;
  }

  static async start(name: string): Promise<TwoNodes> {
    // A phone is called a dozen times while Redis is away, and what it leaves behind at each start stays meanwhile (docs/scaling.md).
    const users = callUsers(14).map((user) => ({ ...user, maxContacts: 40 }));
    const options = { name, users, extensions: CALLS_DIALPLAN, twoNodes: true, withoutPushwake: true };
    return new TwoNodes(await Scene.start(options), [await freePort(), await freePort()]);
  }

  /** Starts both nodes over this store, with every phone bound and asleep. */
  async over(store: string): Promise<void> {
    await this.stopNodes();
    const yaml = this.scene.yaml().replace(/^store: .*$/m, `store: ${store}`);
    const tokens = `[{ name: t, role: operate, token: ${OPERATOR} }]`;
    const admin = (port: number) => `\nhttp: { admin: { listen: "127.0.0.1:${port}", tokens: ${tokens} } }\n`;
    this.a.configure(`${yaml}${admin(this.#ports[0])}`);
    const second = yaml.replace('    username: pushwake\n', '    username: pushwake\n    app: pushwake-b\n');
    this.b.configure(`${second}${admin(this.#ports[1])}`);
    for (const node of [this.a, this.b]) {
      const from = node.log.length;
      await node.start();
      await node.waitForLog((l) => l.msg === 'pbx link up', { from, what: 'a link' });
    }
    if (!this.#caller) {
      this.#caller = await this.scene.phone('2000');
      await this.#caller.register();
      this.#awake = await this.scene.phone(AWAKE, { answer: { kind: 'auto' } });
      await this.#awake.register();
      for (let n = 1; n <= SLEEPERS; n++) await this.install(String(1000 + n));
    }
    for (let n = 1; n <= SLEEPERS; n++) await this.bind(String(1000 + n));
    await this.#eachKnowsAll(store);
  }

  async install(user: string): Promise<Mobile> {
    // Over UDP: where phones connect twice a second, Asterisk 22 shuts a new TLS connection now and then (docs/limits.md).
    const mobile = await Mobile.install(this.scene, user, { transport: 'udp', answer: { kind: 'auto' } });
    this.mobiles.set(user, Object.assign(mobile, { woken: mobile.wakesByPush() }));
    return mobile;
  }

  /** Registers it and lets it sleep; either node may be the one that writes. */
  async bind(user: string): Promise<void> {
    const mobile = this.mobiles.get(user) as Mobile;
    const aor = `${user}@example.com`;
    const from = [this.a.log.length, this.b.log.length];
    if (!mobile.phone.isOpen) await mobile.phone.wake();
    const { status } = await mobile.phone.register({ contactParams: mobile.identity.params, newCallId: true });
    if (status !== 200) throw new Error(`REGISTER of ${user}: ${status}`);
    await until(`a binding of ${user}`, async () =>
      [this.a, this.b].some((node, i) =>
        node.log.slice(from[i]).some((l) => l.aor === aor && /^binding (bound|renewed|token-changed)$/.test(l.msg)),
      ),
    );
    await mobile.phone.sleep();
  }

  /** What is stored of the sleepers is theirs. */
  async #eachKnowsAll(store: string): Promise<void> {
    await until('all phones stored', async () => (await this.stored(store)).every(Boolean));
  }

  /** Of each sleeper: whether its token is stored. */
  async stored(store: string, users: readonly string[] = [...this.mobiles.keys()]): Promise<boolean[]> {
    const options = optionsOf(store);
    const log = new RecordedLog();
    const client = create(optionsSchema.parse(options), { clock: systemClock(), log, name: 'redis' });
    await client.openForReading();
    try {
      return await Promise.all(
        users.map(async (user) => {
          const record = await client.get(`${user}@example.com` as Aor);
          const token = this.mobiles.get(user)?.identity.voip;
          return record?.bindings.some((b) => b.targets.call?.token.reveal() === token) ?? false;
        }),
      );
    } finally {
      await client.close();
    }
  }

  /** Calls go on from now until `endCalls`. */
  beginCalls(): void {
    this.#ends = false;
    this.#calling = this.#callAll();
  }

  async endCalls(): Promise<readonly CallSeen[]> {
    this.#ends = true;
    return (await this.#calling) ?? [];
  }

  async #callAll(): Promise<CallSeen[]> {
    const seen: Promise<CallSeen>[] = [];
    const users = [...this.mobiles.keys()].filter((user) => user !== LATE_COMER);
    const begunMs = performance.now();
    for (let n = 0; !this.#ends; n++) {
      // Each fourth goes to the phone that would ring without us.
      const user = n % 4 === 3 ? AWAKE : (users[(n - Math.floor(n / 4)) % users.length] as string);
      seen.push(this.call(user));
      await delay(Math.max(0, begunMs + (n + 1) * CALL_EVERY_MS - performance.now()));
    }
    return Promise.all(seen);
  }

  async call(user: string): Promise<CallSeen> {
    const mobile = this.mobiles.get(user);
    const before = mobile?.callPushes.length ?? 0;
    const call = await (this.#caller as SipPhone).call(user);
    const { status } = await call.done;
    const doneMs = performance.now();
    const pushes = mobile?.callPushes.slice(before) ?? [];
    if (status === 200) await call.hangup();
    const atMs = mobile ? pushes[0]?.atMs : doneMs;
    const afterMs = atMs === undefined ? undefined : atMs - call.invitedAt;
    if (mobile?.phone.isOpen) {
      await until(`${user} is rung no more`, async () => mobile.phone.incoming.every((c) => c.isOver));
      await mobile.phone.sleep();
    }
    return { user, status, afterMs, pushes: pushes.length, atMs: call.invitedAt };
  }

  /** What the nodes and the phones said that was out of the ordinary, for whoever looks into a failure. */
  story([a, b]: readonly [number, number], lost: readonly CallSeen[]): string {
    const steps = lost.flatMap(({ user, atMs }) => {
      const fromMs = performance.timeOrigin + atMs - 100;
      const lines = [this.a.log, this.b.log].flatMap((log, i) =>
        log
          .filter((l) => l.aor === `${user}@example.com` && Date.parse(String(l.time)) >= fromMs)
          .slice(0, 30)
          .map((l) => `${user} ${'ab'[i]}: ${JSON.stringify(l)}`),
      );
      // What Asterisk shut by itself is no loss of ours.
      const shut = /Shutting down transport.*/.exec(this.scene.asterisk.logText())?.[0];
      if (shut) lines.push(`asterisk: ${shut}`);
      const wire = this.mobiles
        .get(user)
        ?.phone.incoming.slice(-3)
        .map((c) => `${user} rang: ${c.ringingAt} ${c.state}`);
      return [...lines, ...(wire ?? [])];
    });
    const failures = [...this.mobiles].flatMap(([user, { woken }]) => woken.failures.map((f) => `${user}: ${f}`));
    const said = [this.a.log.slice(a), this.b.log.slice(b)].flatMap((log, i) =>
      log.filter((l) => l.level >= 40).map((l) => `${'ab'[i]}: ${JSON.stringify(l)}`),
    );
    return [...failures, ...said, ...steps].join('\n');
  }

  async drain(node: 'a' | 'b'): Promise<void> {
    const port = this.#ports[node === 'a' ? 0 : 1];
    const headers = { authorization: `Bearer ${OPERATOR}` };
    const answer = await fetch(`http://127.0.0.1:${port}/v1/drain`, { method: 'POST', headers });
    if (answer.status !== 202) throw new Error(`drain: ${answer.status}`);
  }

  async health(node: 'a' | 'b'): Promise<Health> {
    const port = this.#ports[node === 'a' ? 0 : 1];
    const headers = { authorization: `Bearer ${OPERATOR}` };
    const answer = await fetch(`http://127.0.0.1:${port}/v1/status`, { headers });
    return (await answer.json()) as Health;
  }

  /** Resolves with how long it took until neither node found anything wrong with the store. */
  async untilBothAreWell(timeoutMs = 20_000): Promise<number> {
    const begunMs = performance.now();
    const isWell = async (node: 'a' | 'b') => (await this.health(node)).storeTrouble === undefined;
    await until('both nodes find the store well', async () => (await isWell('a')) && (await isWell('b')), timeoutMs);
    return performance.now() - begunMs;
  }

  async stopNodes(): Promise<void> {
    await Promise.all([this.a.stop('SIGKILL'), this.b.stop('SIGKILL')]);
  }

  async close(): Promise<void> {
    await this.stopNodes();
    await this.scene.close();
  }
}

/** From the value of `store:` in YAML flow style, which is JSON here but for its keys. */
function optionsOf(store: string): object {
  const { type: _, ...options } = JSON.parse(store) as { type: string };
  return options;
}

export const storeAt = (options: object): string => JSON.stringify({ type: 'redis', ...options });

export async function until(what: string, check: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(20);
  }
}
