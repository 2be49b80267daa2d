/** Three nodes (or more) beside one real Asterisk that has StasisBroadcast, their bindings in one Redis, and phones that sleep. The dialplan is the shipped one. */
import { join } from 'node:path';
import { CALLS_DIALPLAN, callUsers } from '../asterisk/calls-support.ts';
import { Mobile } from '../support/mobile.ts';
import { REALM } from '../support/pbx-scene.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';
import { Scene } from '../support/scene.ts';
import { MOBILES_OF_TRAFFIC, Traffic, until } from '../support/traffic.ts';

/** Users from 1015 on that take no part in the traffic. */
const OTHERS = 4;
/** From the push to the REGISTER. */
const WAKES_AFTER_MS = 1_500;

/** Both forms of the shipped dialplan: a leg of ours asks the nodes, or the caller's own channel does. */
const DIALPLAN = `${CALLS_DIALPLAN}
[internal](+)
exten => _810XX,1,Set(CASE=\${EXTEN})
 same => n,Gosub(pushwake-dial,\${EXTEN:1},1)
 same => n,Dial(\${PUSHWAKE_DIAL},30,tT)
 same => n,Goto(after,s,1)
`;

export class ManyNodes extends Traffic {
  #calls = 0;
  readonly scene: Scene;
  readonly nodes: readonly PushwakeProcess[];

  private constructor(scene: Scene, nodes: readonly PushwakeProcess[]) {
    // Over UDP: where phones connect twice a second, Asterisk 22 shuts a new TLS connection now and then (docs/limits.md).
    super({ scene, nodes, transport: 'udp' });
    this.scene = scene;
    this.nodes = nodes;
  }

  /** `apps`: one node for each. `store`: the value of `store:`. */
  static async start(name: string, apps: readonly string[], store: string): Promise<ManyNodes> {
    const users = callUsers(MOBILES_OF_TRAFFIC + OTHERS).map((user) => ({ ...user, maxContacts: 40 }));
    const scene = await Scene.start({ name, users, extensions: DIALPLAN, withoutPushwake: true });
    const nodes = apps.map((app, i) =>
      i === 0 ? scene.pushwake : new PushwakeProcess(join(scene.folder, `${app}.yaml`)),
    );
    const site = new ManyNodes(scene, nodes);
    for (const [i, app] of apps.entries()) {
      const yaml = scene.yaml().replace(/^store: .*$/m, `store: ${store}`);
      nodes[i]?.configure(yaml.replace('    username: pushwake\n', `    username: pushwake\n    app: ${app}\n`));
    }
    for (const node of nodes) await site.startNode(node);
    await site.begin();
    return site;
  }

  /** One call in this form, the next in the other. */
  protected override numberOf(user: string): string {
    return this.#calls++ % 2 === 0 ? user : `8${user}`;
  }

  /** Its phone needs a while to wake, so that calls wait on a node that is killed meanwhile. */
  override async install(user: string): Promise<Mobile> {
    const mobile = await Mobile.install(this.scene, user, { transport: 'udp', answer: { kind: 'auto' } });
    this.mobiles.set(user, Object.assign(mobile, { woken: mobile.wakesByPush({ afterMs: WAKES_AFTER_MS }) }));
    return mobile;
  }

  /** The node that serves the call which waits for this phone. */
  async servedBy(user: string, from: readonly number[]): Promise<number> {
    const has = (node: PushwakeProcess, i: number) =>
      node.log.slice(from[i]).some((l) => l.msg === 'call step' && l.aor === `${user}@${REALM}`);
    await until(`a node that serves the call to ${user}`, async () => this.nodes.some(has));
    return this.nodes.findIndex(has);
  }

  async startNode(node: PushwakeProcess): Promise<void> {
    const from = node.log.length;
    node.launch();
    // Three of them, an Asterisk and a Redis start on two cores.
    await node.waitForLog((l) => l.msg === 'pbx link up', { from, timeoutMs: 60_000, what: 'a link' });
  }

  /** What Asterisk's dialplan knows of several nodes. */
  async announced(): Promise<string> {
    const globals = await this.scene.asterisk.cli('dialplan show globals');
    return /PUSHWAKE_NODES=(\w*)/.exec(globals)?.[1] ?? '';
  }

  /** What each channel executes: the arguments of its application. */
  async channels(): Promise<readonly string[]> {
    const { url, user, password } = this.scene.asterisk.ari;
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    const answer = await fetch(`${url}/ari/channels`, { headers: { authorization } });
    const channels = (await answer.json()) as { dialplan: { app_data?: string } }[];
    return channels.map(({ dialplan }) => dialplan.app_data ?? '');
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop('SIGKILL')));
    await this.scene.close();
  }
}
