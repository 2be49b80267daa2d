/**
 * Two nodes beside one real Asterisk, their bindings in one Redis, while a call comes every 400 ms: to phones that sleep and are woken, and to one
 * that is awake and that pushwake knows nothing of. What befalls Redis or the nodes meanwhile is the test's.
 */
import { join } from 'node:path';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import type { Aor } from '../../plugin/core/aor.ts';
import type { Health } from '../../plugin/http/health.ts';
import { CALLS_DIALPLAN, callUsers } from '../asterisk/calls-support.ts';
import { freePort } from '../support/free-port.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { Scene } from '../support/scene.ts';
import { MOBILES_OF_TRAFFIC, Traffic, until } from '../support/traffic.ts';

const OPERATOR = 'a-token-of-24-characters';

export class TwoNodes extends Traffic {
  readonly scene: Scene;
  readonly a: PushwakeProcess;
  readonly b: PushwakeProcess;
  readonly #ports: readonly [number, number];

  private constructor(scene: Scene, ports: readonly [number, number]) {
    const [a, b] = [scene.pushwake, new PushwakeProcess(join(scene.folder, 'b.yaml'))];
    // TLS, as the apps do it.
    super({ scene, nodes: [a, b], transport: 'tls' });
    this.scene = scene;
    this.a = a;
    this.b = b;
    this.#ports = ports;
  }

  static async start(name: string): Promise<TwoNodes> {
    // A phone is called a dozen times while Redis is away, and what it leaves behind at each start stays meanwhile (docs/scaling.md).
    const users = callUsers(MOBILES_OF_TRAFFIC).map((user) => ({ ...user, maxContacts: 40 }));
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
    await this.begin();
    await this.#eachKnowsAll(store);
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

  /** What Asterisk shut by itself is no loss of ours. */
  override story(from: readonly number[], lost: Parameters<Traffic['story']>[1]): string {
    const shut = /Shutting down transport.*/.exec(this.scene.asterisk.logText())?.[0];
    return `${super.story(from, lost)}${shut ? `\nasterisk: ${shut}` : ''}`;
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
