/** Seven days of two browsers, on a clock of pushwake that runs faster: one hears its pushes, the other is switched off and forgotten. */
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { Aor } from '../../../plugin/core/aor.ts';
import { isLive } from '../../../plugin/core/binding.ts';
import { BrowserPhone, PhoneScene, waitUntil } from './phone-scene.ts';

/** A week in less than two minutes. */
const SPEED = 6_000;
const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));

let s: PhoneScene;
let isFast = false;
afterAll(async () => s?.close());

test('a browser that is asked to registers renews; one that hears nothing is warned twice, told, and gone; opening it binds it again', {
  timeout: 300_000,
}, async () => {
  s = await PhoneScene.start(['1001', '1002'], {
    entry: (file) =>
      isFast
        ? [path('../../demo/week-child.ts'), file, String(SPEED), String(Date.now()), String(Date.now())]
        : [path('../../../plugin/cli.ts'), 'start', '--config', file],
  });
  const [hears, off] = [await BrowserPhone.open(s), await BrowserPhone.open(s)];
  const bindings = (account: string) =>
    s.scene.stored.get(`${account}@example.com` as Aor)?.bindings.filter(isLive) ?? [];
  for (const [phone, account] of [
    [hears, '1001'],
    [off, '1002'],
  ] as const) {
    await phone.logIn(account);
    await waitUntil(() => bindings(account).length === 1, `a binding of ${account}`);
    await phone.closePage();
  }
  await s.scene.pushwake.stop();
  isFast = true;
  const begun = bindings('1001')[0]?.endsAt ?? 0;
  await s.scene.startPushwake();

  await waitUntil(() => hears.pushes.length > 0, 'the first refresh', 150_000);
  expect(await hears.deliver()).toEqual(['refresh']);
  await waitUntil(() => (bindings('1001')[0]?.endsAt ?? 0) > begun + 3 * 86_400_000, 'a new lifetime', 20_000);

  await waitUntil(() => bindings('1002').length === 0, 'the end of the other one', 60_000);
  const isTold = () => off.pushes.some((p) => p.text?.includes('"expired"'));
  await waitUntil(isTold, 'the word that it has ended', 20_000);
  const said = off.pushes.map((p) => JSON.parse(p.text ?? '{}'));
  expect(said.flatMap(({ pushwake }) => (pushwake.type === 'notice' ? [pushwake.notice] : []))).toEqual([
    'soon',
    'soon',
    'expired',
  ]);
  expect(said.filter(({ pushwake }) => pushwake.type === 'refresh').length).toBeGreaterThan(3);
  expect(await s.scene.contacts('1002')).toEqual([]);
  await off.deliver(said.length);
  await waitUntil(
    async () => (await off.shown()).some((n) => n.body.includes('no longer receiving calls')),
    'the last notice',
  );
  await off.tap('Phone');
  await waitUntil(() => bindings('1002').length === 1, 'bound again, by opening it', 20_000);
  expect(hears.complaints).toEqual([]);
});
