/**
 * Calls that go on, one every 400 ms, while something befalls a store or a node: three of four to phones that sleep and are woken, the fourth to one that
 * is awake and that pushwake knows nothing of. What became of each call is kept.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Mobile } from './mobile.ts';
import { type PbxScene, REALM, type WokenPhone } from './pbx-scene.ts';
import type { PushwakeProcess } from './pushwake-process.ts';
import type { SipPhone, SipPhoneOptions } from './sip-phone/index.ts';

export const CALL_EVERY_MS = 400;
const SLEEPERS = 12;
/** Registers meanwhile, where a test has it register. */
export const LATE_COMER = '1013';
const AWAKE = '1014';
/** Users from 1001 on that a PBX must know, beside the caller 2000. */
export const MOBILES_OF_TRAFFIC = 14;

export interface CallSeen {
  readonly user: string;
  readonly status: number;
  /** From INVITE to call push, in ms; of the one that is awake: to its ringing. */
  readonly afterMs: number | undefined;
  readonly pushes: number;
  readonly atMs: number;
}

export interface TrafficOptions {
  readonly scene: PbxScene;
  /** Either may be the one that writes a binding. */
  readonly nodes: readonly PushwakeProcess[];
  readonly transport: SipPhoneOptions['transport'];
  /** Resolves when the PBX asks for this account. Absent: it always does. */
  readonly marked?: (aor: string) => Promise<void>;
}

export class Traffic {
  readonly mobiles = new Map<string, Mobile & { readonly woken: WokenPhone }>();
  readonly #o: TrafficOptions;
  #caller: SipPhone | undefined;
  #calling: Promise<CallSeen[]> | undefined;
  #ends = false;

  constructor(options: TrafficOptions) {
    this.#o = options;
  }

  /** Every phone registered, bound, and asleep. Again: once more, over whatever store there is now. */
  async begin(): Promise<void> {
    if (!this.#caller) {
      this.#caller = await this.#o.scene.phone('2000');
      await this.#caller.register();
      const awake = await this.#o.scene.phone(AWAKE, { answer: { kind: 'auto' } });
      await awake.register();
      for (let n = 1; n <= SLEEPERS; n++) await this.install(String(1000 + n));
    }
    for (let n = 1; n <= SLEEPERS; n++) await this.bind(String(1000 + n));
  }

  async install(user: string): Promise<Mobile> {
    const mobile = await Mobile.install(this.#o.scene, user, {
      transport: this.#o.transport,
      answer: { kind: 'auto' },
    });
    this.mobiles.set(user, Object.assign(mobile, { woken: mobile.wakesByPush() }));
    return mobile;
  }

  /** Registers it and lets it sleep. */
  async bind(user: string): Promise<void> {
    const { nodes, marked } = this.#o;
    const mobile = this.mobiles.get(user) as Mobile;
    const aor = `${user}@${REALM}`;
    const from = nodes.map((node) => node.log.length);
    // One that is awake would renew its contact, and Asterisk tells nobody of that.
    if (mobile.phone.isOpen) await mobile.phone.sleep();
    await mobile.phone.wake();
    const { status } = await mobile.phone.register({ contactParams: mobile.identity.params, newCallId: true });
    if (status !== 200) throw new Error(`REGISTER of ${user}: ${status}`);
    await until(`a binding of ${user}`, async () =>
      nodes.some((node, i) =>
        node.log.slice(from[i]).some((l) => l.aor === aor && /^binding (bound|renewed|token-changed)$/.test(l.msg)),
      ),
    );
    await marked?.(aor);
    await mobile.phone.sleep();
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

  /** What the caller dials for this account. */
  protected numberOf(user: string): string {
    return user;
  }

  async call(user: string): Promise<CallSeen> {
    const mobile = this.mobiles.get(user);
    const before = mobile?.callPushes.length ?? 0;
    const call = await (this.#caller as SipPhone).call(this.numberOf(user));
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

  /** What the nodes and the phones said that was out of the ordinary, for whoever looks into a failure. `from`: where the log of each node began. */
  story(from: readonly number[], lost: readonly CallSeen[]): string {
    const logs = this.#o.nodes.map(({ log }) => log);
    const steps = lost.flatMap(({ user, atMs }) => {
      const fromMs = performance.timeOrigin + atMs - 100;
      const lines = logs.flatMap((log, i) =>
        log
          .filter((l) => l.aor === `${user}@${REALM}` && Date.parse(String(l.time)) >= fromMs)
          .slice(0, 30)
          .map((l) => `${user} ${'ab'[i]}: ${JSON.stringify(l)}`),
      );
      const wire = this.mobiles
        .get(user)
        ?.phone.incoming.slice(-3)
        .map((c) => `${user} rang: ${c.ringingAt} ${c.state}`);
      return [...lines, ...(wire ?? [])];
    });
    const failures = [...this.mobiles].flatMap(([user, { woken }]) => woken.failures.map((f) => `${user}: ${f}`));
    const said = logs.flatMap((log, i) =>
      log
        .slice(from[i])
        .filter((l) => l.level >= 40)
        .map((l) => `${'ab'[i]}: ${JSON.stringify(l)}`),
    );
    return [...failures, ...said, ...steps].join('\n');
  }
}

export async function until(what: string, check: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(20);
  }
}
