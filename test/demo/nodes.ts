/**
 * `npm run demo -- --nodes 3`: several nodes beside one real Asterisk, their bindings in one Redis. What `pushwake status` says of them stands under the
 * steps, as it was printed. The first node is drained while a call waits on it, and is started again.
 */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bringAsterisk } from '../support/asterisk/index.ts';
import { freePort } from '../support/free-port.ts';
import { Mobile } from '../support/mobile.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';
import { RedisServer } from '../support/redis/instance.ts';
import { DEFAULT_USERS, Scene } from '../support/scene.ts';
import type { OutgoingCall, SipPhone } from '../support/sip-phone/index.ts';
import { ShortStory, sinceCall } from './short-story.ts';
import { until } from './stage.ts';

const CLI = fileURLToPath(new URL('../../plugin/cli.ts', import.meta.url));
const OPERATOR = 'a-token-of-24-characters';
/** How long the phone takes to wake while its node is being drained. */
const SLOW_PHONE_MS = 3_000;

/** Here all nodes share a machine; elsewhere each has its own name. */
const named = (name: string) => [
  '--import',
  `data:text/javascript,import os from "node:os";import { syncBuiltinESMExports } from "node:module";os.hostname=()=>"${name}";syncBuiltinESMExports()`,
];

interface Node {
  readonly name: string;
  readonly file: string;
  readonly process: PushwakeProcess;
}

export async function playNodes(count: number): Promise<number> {
  const story = new ShortStory();
  const { print } = story;
  const step: ShortStory['step'] = (...of) => story.step(...of);
  const nodes: Node[] = [];
  let scene: Scene | undefined;
  let redis: RedisServer | undefined;

  print.title(`pushwake: ${count} nodes beside one real Asterisk, over one Redis`);
  print.line('Mobile 1001, caller 2000. All on 127.0.0.1; each node says a machine name of its own.');

  const play = async () => {
    print.part('Getting ready');
    const s = await step('Asterisk runs with the dialplan of two nodes, and Redis', async () => {
      await bringAsterisk(() => undefined);
      redis = await RedisServer.start();
      const users = DEFAULT_USERS.map((user) => ({ ...user, rewriteContact: true }));
      return Scene.start({ name: `demo-${process.pid}`, users, twoNodes: true, withoutPushwake: true });
    });
    scene = s;
    const store = `store: ${JSON.stringify({ type: 'redis', url: redis?.url })}`;
    for (let i = 0; i < count; i++) nodes.push(await nodeOf(s, i, store));
    const [first, second] = nodes as [Node, Node];
    await step(`${count} nodes run, each with a link to Asterisk`, async () => {
      for (const node of nodes) await started(node);
    });
    const caller = await s.phone('2000');
    await caller.register();
    const mobile = await Mobile.install(s, '1001', { transport: 'tls' });
    await step('Mobile 1001 registered, is bound, and fell asleep', async () => {
      await mobile.phone.register({ contactParams: mobile.identity.params });
      const isBound = () => nodes.some((n) => n.process.log.some((l) => l.msg === 'binding bound'));
      await until(isBound, { what: 'a binding of 1001' });
      await asleep(s, mobile);
    });

    print.part('All of them at a glance: pushwake status');
    await step(`Each node sees ${count} alive`, async () => {
      for (const node of nodes) await seen(node, Array(count).fill('alive'));
    });
    await shown();

    print.part('A sleeping phone rings, through the first node');
    await rings(caller, mobile, s, first);

    print.part(`The first node is drained: pushwake drain, on ${first.name}`);
    const woken = mobile.wakesByPush({ afterMs: SLOW_PHONE_MS });
    const waiting = await caller.call('1001');
    await step(
      'A call waits on it: the phone was pushed and takes its time',
      () => mobile.callPush(2),
      sinceCall(waiting),
    );
    const ended = first.process.ended();
    const drained = status(first, 'drain');
    await step('The others see it draining', () => seen(second, ['draining', ...Array(count - 1).fill('alive')]));
    await step('Its call is finished: the phone rings, answers, they hear each other', async () => {
      await answers(waiting, mobile, s, 2);
    });
    woken.stop();
    await step('It ended by itself with exit code 4, which systemd leaves alone', async () => {
      const [code] = await Promise.all([ended, drained]);
      if (code !== 4) throw new Error(`it ended with exit code ${code}`);
    });
    await asleep(s, mobile);
    await step(`${count - 1} alive, one drained`, () => seen(second, ['drained', ...Array(count - 1).fill('alive')]));
    await shown(second);

    print.part('The next call rings through another node');
    await rings(caller, mobile, s, second, 3);

    print.part('The first node is started again');
    await step(`It is back: ${count} alive, and it takes the calls`, async () => {
      await started(first);
      await seen(second, Array(count).fill('alive'));
      // Its mark in Asterisk is taken back a moment after its link is up.
      await until(async () => /^ *\S+ \(this one\).*takes the calls/m.test(await status(first, 'status')), {
        what: 'the first node to take the calls again',
      });
    });
    await rings(caller, mobile, s, first, 4);
  };

  /** What the terminal shows of the nodes, as it is. */
  const shown = async (on: Node | undefined = nodes[0]) => {
    if (!on) return;
    print.line(`    $ pushwake status        # on ${on.name}`);
    const text = await status(on, 'status');
    for (const line of text.split('\n').filter((l) => /^Nodes| +node-/.test(l))) print.note(line);
  };

  const rings = async (caller: SipPhone, mobile: Mobile, s: Scene, by: Node, nth = 1) => {
    const woken = mobile.wakesByPush({ afterMs: 300 });
    const from = by.process.log.length;
    const call = await caller.call('1001');
    await step('The push service got a push', () => mobile.callPush(nth), sinceCall(call));
    await step('The phone woke up (300 ms, on purpose), rings, answers, they hear each other', () =>
      answers(call, mobile, s, nth),
    );
    await step(`It was ${by.name} that woke it`, async () => {
      await until(() => by.process.log.slice(from).some((l) => l.msg === 'call over'), {
        what: `"call over" in the log of ${by.name}`,
      });
    });
    woken.stop();
    await asleep(s, mobile);
  };

  return story.play(play, async () => {
    for (const node of nodes) await node.process.stop('SIGKILL');
    await scene?.close();
    await redis?.stop();
  });
}

async function nodeOf(scene: Scene, index: number, store: string): Promise<Node> {
  const letter = String.fromCharCode(97 + index);
  const name = `node-${letter}`;
  const file = join(scene.folder, `${name}.yaml`);
  const process = new PushwakeProcess(file);
  process.nodeOptions = named(name);
  const tokens = `[{ name: demo, role: operate, token: ${OPERATOR} }]`;
  const admin = `http: { admin: { listen: "127.0.0.1:${await freePort()}", tokens: ${tokens} } }\n`;
  const yaml = scene.yaml({ more: admin }).replace(/^store: .*$/m, store);
  // Asterisk asks the first, and the second while that is away; the others share what is due.
  const app = index === 0 ? '' : `    app: pushwake-${letter}\n`;
  process.configure(yaml.replace('    username: pushwake\n', `    username: pushwake\n${app}`));
  return { name, file, process };
}

async function started({ process }: Node): Promise<void> {
  const from = process.log.length;
  await process.start();
  await process.waitForLog((l) => l.msg === 'pbx link up', { from, timeoutMs: 15_000, what: 'its link' });
}

/** What a command printed; `status` ends with 1 while something is wrong, which it says. */
async function status(node: Node, command: 'status' | 'drain', ...more: string[]): Promise<string> {
  const args = [CLI, command, '--config', node.file, ...more];
  const run = promisify(execFile)(process.execPath, args).catch((e: { stdout: string }) => e);
  return (await run).stdout;
}

/** Resolves when this node sees these states, in whatever order. */
async function seen(node: Node, states: readonly string[]): Promise<void> {
  let instead = '';
  await until(
    async () => {
      const answer = JSON.parse((await status(node, 'status', '--json')) || '{}') as { nodes?: { state: string }[] };
      instead = (answer.nodes ?? [])
        .map((n) => n.state)
        .sort()
        .join();
      return instead === [...states].sort().join();
    },
    { what: `${[...states].sort().join()} on ${node.name}`, seen: () => instead },
  );
}

async function answers(call: OutgoingCall, mobile: Mobile, scene: Scene, nth: number): Promise<void> {
  const ringing = await mobile.phone.waitForCall(10_000, nth);
  await ringing.answer();
  const { status } = await call.done;
  if (status !== 200) throw new Error(`the caller was answered ${status}`);
  await Promise.all([call.waitForRtp(10), ringing.waitForRtp(10)]);
  await call.hangup();
  await ringing.waitForState('ended');
  await until(async () => (await scene.asterisk.cli('core show channels concise')).trim() === '', {
    what: 'no channel left in Asterisk',
  });
}

async function asleep(scene: Scene, { phone }: Mobile): Promise<void> {
  await phone.sleep();
  await until(async () => (await scene.contacts(phone.user)).length === 0, { what: 'no contact of 1001 in Asterisk' });
}
