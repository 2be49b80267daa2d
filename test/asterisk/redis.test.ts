/** pushwake with its bindings in a real Redis, beside a real Asterisk: calls do not depend on that Redis. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RedisServer } from '../support/redis/instance.ts';
import { type PushIdentity, Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

let redis: RedisServer;
let scene: Scene;
let caller: SipPhone;

beforeAll(async () => {
  redis = await RedisServer.start();
  scene = await Scene.start({ name: 'redis', hep: true, withoutPushwake: true });
  scene.pushwake.configure(scene.yaml().replace(/^store: .*$/m, `store: { type: redis, url: "${redis.url}" }`));
  await scene.startPushwake();
  caller = await scene.phone('2000');
  await caller.register();
});
afterAll(async () => {
  await scene?.close();
  await redis?.stop();
});
afterEach(() => redis.thaw());

/** A mobile that has registered and sleeps; its push wakes it. */
async function asleep(
  user: string,
  transport: 'tls' | 'udp' = 'tls',
): Promise<{ phone: SipPhone; install: PushIdentity }> {
  const phone = await scene.phone(user, { transport });
  const install = scene.install();
  const from = scene.pushwake.log.length;
  expect((await phone.register({ contactParams: install.params })).status).toBe(200);
  await scene.pushwake.waitForLog((l) => l.msg === 'binding bound' && l.aor === `${user}@example.com`, { from });
  await phone.sleep();
  return { phone, install };
}

async function ringsWhenCalled(user: string, { phone, install }: { phone: SipPhone; install: PushIdentity }) {
  phone.answer = { kind: 'auto' };
  const woken = scene.wakeByPush(phone, install);
  const call = await caller.call(user);
  expect((await call.done).status).toBe(200);
  expect(woken.pushes).toHaveLength(1);
  woken.stop();
  await call.hangup();
}

describe('a sleeping phone rings', () => {
  it('with its binding in Redis', async () => {
    await ringsWhenCalled('1001', await asleep('1001'));
  });

  it('while Redis is frozen for ten seconds: calls are rung from memory; afterwards it writes again', async () => {
    const mobile = await asleep('1002');
    const from = scene.pushwake.log.length;
    const begun = performance.now();
    redis.freeze();
    for (let call = 0; call < 3; call++) {
      await ringsWhenCalled('1002', mobile);
      await mobile.phone.sleep();
    }
    await vi.waitFor(() => expect(performance.now() - begun).toBeGreaterThan(10_000), {
      timeout: 15_000,
      interval: 100,
    });
    await ringsWhenCalled('1002', mobile);
    redis.thaw();
    await scene.waitForLog('store answers again', from, 20_000);
    const told = scene.pushwake.log
      .slice(from)
      .filter((l) => l.msg === 'store does not answer, calls go on from memory');
    expect(new Set(told.map((l) => l.reason)).size, 'each trouble is told once').toBe(told.length);
  });

  it('pushwake started while Redis is dead: from what Asterisk shows; it writes again when Redis is back', async () => {
    // Over UDP: of a closed connection Asterisk shows nothing any more.
    const mobile = await asleep('1003', 'udp');
    await scene.pushwake.stop('SIGKILL');
    await redis.kill();
    const from = scene.pushwake.log.length;
    await scene.startPushwake();
    await ringsWhenCalled('1003', mobile);
    expect(
      scene.pushwake.log
        .slice(from)
        .map((l) => JSON.stringify(l))
        .join('\n'),
    ).toMatch(/nothing listens there/);
    await redis.restart();
    await scene.waitForLog('store answers again', from, 20_000);
  });
});
