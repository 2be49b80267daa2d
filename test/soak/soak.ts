/**
 * `npm run soak -- --hours 8`: a real Asterisk with pushwake beside it, phones that register, sleep and are called, reloads, and restarts of
 * everything. Prints what pushwake and Asterisk use as time goes on; `--chart FILE` writes a picture of it.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { reservePorts } from '../support/asterisk/ports.ts';
import { type PushIdentity, Scene, type WokenPhone } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';
import { Chance } from '../world/chance.ts';
import { chart, HEAD, row, type Sample } from './chart.ts';

const USAGE = `npm run soak -- [options]
  --hours N     how long (default 1)
  --phones N    how many phones (default 20)
  --pause N     milliseconds between two calls (default 0)
  --samples N   how many rows the table has (default 24)
  --chart FILE  writes a picture of it, an SVG
`;

const { values: o } = parseArgs({
  options: {
    hours: { type: 'string', default: '1' },
    phones: { type: 'string', default: '20' },
    pause: { type: 'string', default: '0' },
    samples: { type: 'string', default: '24' },
    chart: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (o.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}

const MINUTE = 60_000;
/** Each in its own time, so that they meet in every order. */
const EVERY = { reload: 3 * MINUTE, asterisk: 7 * MINUTE, pushService: 4 * MINUTE } as const;
const print = (text: string) => process.stdout.write(`${text}\n`);

interface Mobile {
  readonly number: string;
  readonly phone: SipPhone;
  readonly identity: PushIdentity;
  readonly woken: WokenPhone;
}

class Soak {
  readonly scene: Scene;
  readonly mobiles: Mobile[] = [];
  readonly samples: Sample[] = [];
  readonly #caller: SipPhone;
  readonly #adminPort: number;
  readonly #chance = new Chance(1, 'soak');
  readonly #begunMs = performance.now();
  #calls = 0;
  #failed = 0;
  #events: string[] = [];

  private constructor(scene: Scene, caller: SipPhone, adminPort: number) {
    this.scene = scene;
    this.#caller = caller;
    this.#adminPort = adminPort;
  }

  static async set(phones: number): Promise<Soak> {
    const numbers = Array.from({ length: phones }, (_, i) => String(1001 + i));
    const users = [...numbers, '2000'].map((id) => ({ id, rewriteContact: true }));
    const scene = await Scene.start({ name: 'soak', users, debug: false, withoutPushwake: true });
    const slot = await reservePorts();
    const admin = `http:\n  admin: { listen: "127.0.0.1:${slot.ports.ari}" }\n`;
    scene.pushwake.configure(scene.yaml({ more: admin }));
    await scene.startPushwake();
    const caller = await scene.phone('2000');
    const soak = new Soak(scene, caller, slot.ports.ari);
    for (const number of numbers) {
      const phone = await scene.phone(number, { transport: 'tcp' });
      const identity = scene.install();
      await scene.bind(phone, identity);
      soak.mobiles.push({ number, phone, identity, woken: scene.wakeByPush(phone, identity) });
    }
    return soak;
  }

  async run(forMs: number, samples: number): Promise<void> {
    const next = new Map(Object.entries(EVERY));
    let restarts = 1;
    print(HEAD);
    await this.#sample();
    for (let n = 1; n <= samples; ) {
      const nowMs = performance.now() - this.#begunMs;
      if (nowMs >= (forMs * n) / samples) {
        await this.#sample();
        n++;
        continue;
      }
      // pushwake itself lives long, so that what it gathers shows; it is restarted at a half, and an hour before the end is all one life.
      if (restarts > 0 && nowMs >= forMs / 2) {
        restarts--;
        await this.#happens('pushwake', () => this.#restartPushwake());
      }
      for (const [what, atMs] of next) {
        if (nowMs < atMs) continue;
        next.set(what, nowMs + EVERY[what as keyof typeof EVERY]);
        await this.#happens(what, () => this.#breaks(what as keyof typeof EVERY));
      }
      await this.#round();
    }
  }

  async #happens(what: string, work: () => Promise<void>): Promise<void> {
    this.#events.push(what);
    await work();
  }

  async #restartPushwake(): Promise<void> {
    await this.scene.pushwake.stop();
    await this.scene.startPushwake();
  }

  async #breaks(what: keyof typeof EVERY): Promise<void> {
    const { pushwake, asterisk, apns } = this.scene;
    if (what === 'pushService') return apns.goAway();
    if (what === 'reload') {
      const { pid } = pushwake;
      if (pid !== undefined) process.kill(pid, 'SIGHUP');
      await delay(500);
      return;
    }
    const from = pushwake.log.length;
    await asterisk.restart({ keepDb: true });
    await this.scene.waitForLog('pbx link up', from);
    for (const { phone } of this.mobiles) if (phone.isOpen) await phone.sleep();
    await this.#caller.register();
  }

  /** One call of a phone that sleeps: pushed, rung, answered or not. */
  async #round(): Promise<void> {
    const { phone, number } = this.#chance.pick(this.mobiles);
    if (phone.isOpen) await phone.sleep();
    await delay(20);
    await delay(Number(o.pause));
    const nth = phone.incoming.length;
    const from = this.scene.pushwake.log.length;
    this.#calls++;
    const call = await this.#caller.call(number);
    try {
      const rung = await phone.waitForCall(8_000, nth + 1);
      const drawn = this.#chance.next();
      if (drawn < 0.4) {
        await rung.answer();
        await call.waitForState('answered');
        await delay(100);
        await call.hangup();
      } else if (drawn < 0.6) rung.reject(486);
      else call.cancel();
    } catch (error) {
      this.#failed++;
      this.#explain(number, error, from);
      call.cancel();
    }
    await call.done;
  }

  /** What pushwake said while a call failed, so that the reason can be found hours later. */
  #explain(number: string, error: unknown, from: number): void {
    print(`call ${this.#calls} for ${number} failed: ${String(error)}`);
    for (const line of this.scene.pushwake.log.slice(from).slice(-30)) print(`  ${JSON.stringify(line).slice(0, 400)}`);
  }

  async #sample(): Promise<void> {
    const { pushwake, asterisk } = this.scene;
    await asterisk.waitForNoChannels().catch(() => undefined);
    const { url, user, password } = asterisk.ari;
    const headers = { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
    const channels = (await (await fetch(`${url}/ari/channels`, { headers })).json()) as unknown[];
    const text = await (await fetch(`http://127.0.0.1:${this.#adminPort}/metrics`)).text();
    const metric = (name: string) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
    const sample: Sample = {
      atMs: performance.now() - this.#begunMs,
      calls: this.#calls,
      failed: this.#failed,
      rssMiB: metric('process_resident_memory_bytes') / 2 ** 20,
      heapMiB: metric('nodejs_heap_size_used_bytes') / 2 ** 20,
      handles: readdirSync(`/proc/${pushwake.pid}/fd`).length,
      loopMs: metric('nodejs_eventloop_lag_p99_seconds') * 1_000,
      channels: channels.length,
      events: counted(this.#events),
    };
    this.#events = [];
    this.samples.push(sample);
    print(row(sample));
  }

  async close(): Promise<void> {
    await this.scene.close();
  }
}

function counted(events: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const event of events) counts.set(event, (counts.get(event) ?? 0) + 1);
  return [...counts].map(([what, times]) => (times > 1 ? `${times} × ${what}` : what)).join(', ');
}

const soak = await Soak.set(Number(o.phones));
try {
  await soak.run(Number(o.hours) * 60 * MINUTE, Number(o.samples));
} finally {
  if (o.chart !== undefined) writeFileSync(o.chart, chart(soak.samples));
  await soak.close();
}
process.exit(0);
