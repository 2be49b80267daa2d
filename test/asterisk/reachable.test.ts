/** BLF and queues: a sleeping phone is reachable while its binding lives, also over a restart of pushwake. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Scene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start({ name: 'reg-reachable', hep: true });
});
afterAll(() => scene?.close());

/** What a BLF key of 1001 shows: `Idle`, `Unavailable`, … */
async function hint(): Promise<string> {
  const text = await scene.asterisk.cli('core show hint 1001');
  return /State:(\S+)/.exec(text)?.[1] ?? text;
}

async function hintBecomes(state: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while ((await hint()) !== state) {
    if (performance.now() > deadline) throw new Error(`the hint stays ${await hint()}, expected ${state}`);
  }
}

describe('device state', () => {
  test('a phone that sleeps is Idle, as long as its binding lives', async () => {
    expect(await hint()).toBe('Unavailable');
    const phone = await scene.phone('1001', { transport: 'tls' });
    const install = scene.install();
    await scene.bind(phone, install);
    await hintBecomes('Idle');
    await phone.sleep();
    await scene.pushwake.stop();
    expect(await hint()).toBe('Idle');
    await scene.startPushwake();
    await hintBecomes('Idle');

    await phone.wake();
    const from = scene.pushwake.log.length;
    await phone.register({ contactParams: install.params });
    await phone.unregister();
    await scene.pushwake.waitForLog((l) => l.msg === 'binding ended', { from });
    await hintBecomes('Unavailable');
  });
});
