/** SIGHUP on a real Asterisk, the process as it is installed: calls wait while the configuration changes under them. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Scene } from '../support/scene.ts';
import type { SipPhone } from '../support/sip-phone/index.ts';

let scene: Scene;
let caller: SipPhone;

beforeAll(async () => {
  scene = await Scene.start({ name: 'admin-reload', hep: true });
  caller = await scene.phone('2000');
});
afterAll(() => scene?.close());
afterEach(() => scene.pushwake.configure(scene.yaml()));

const HANGUP = 'SIGHUP';

/** The file as it shall be, and the line that says what became of it. */
async function reload(yaml: string, says: string) {
  const from = scene.pushwake.log.length;
  scene.pushwake.configure(yaml);
  process.kill(scene.pushwake.pid ?? 0, HANGUP);
  return scene.waitForLog(says, from);
}

it('a call that waits is rung although its PBX link was made anew, and the phone came after that', async () => {
  const mobile = await scene.phone('1001', { answer: { kind: 'auto' } });
  const identity = scene.install();
  await scene.bind(mobile, identity);
  await mobile.sleep();
  const from = scene.pushwake.log.length;
  const call = await caller.call('1001');
  await scene.pushwake.waitForLog((l) => l.msg === 'push ended' && l.purpose === 'call', { from, what: 'the push' });
  // Another way to write the same address: to pushwake it is another PBX link.
  const url = `http://localhost:${scene.asterisk.ports.ari}`;
  const relay = scene.yaml({ url }).replace('ringTime: 30s', 'ringTime: 40s');
  expect(await reload(relay, 'configuration applied')).toMatchObject({ changed: ['pbx.office', 'policy'] });
  await scene.waitForLog('pbx link up', from);
  expect(call.state).not.toBe('ended');
  await mobile.wake();
  await mobile.register({ contactParams: identity.params, newCallId: true });
  expect((await call.done).status, scene.pushwake.output.slice(-3_000)).toBe(200);
  await call.hangup();
  await scene.asterisk.waitForNoChannels();
  expect(mobile.incoming).toHaveLength(1);
  expect(await reload(scene.yaml(), 'configuration applied')).toMatchObject({ changed: ['pbx.office', 'policy'] });
}, 60_000);

it('a file with mistakes changes nothing, and each is logged with file, line and column', async () => {
  const from = scene.pushwake.log.length;
  const bad = scene.yaml().replace('mode: full', 'mode: ful').replace('realm:', 'relam:');
  await reload(bad, 'configuration has a mistake, nothing was changed');
  await scene.pushwake.waitForLog((l) => /relam/.test(String(l.mistake)), { from });
  const mistakes = scene.pushwake.log.slice(from).flatMap((l) => (l.mistake === undefined ? [] : [String(l.mistake)]));
  expect(mistakes).toContainEqual(
    expect.stringMatching(/pushwake\.yaml:1:7 mode: expected one of observe, full; did you mean full\?$/),
  );
  expect(mistakes).toContainEqual(
    expect.stringMatching(/pushwake\.yaml:\d+:\d+ pbx\.office\.relam: unknown key; did you mean realm\?$/),
  );
  // Still full, and still there: the next right file differs in nothing.
  expect(await reload(scene.yaml(), 'configuration read, nothing to apply')).toMatchObject({ changed: [] });
}, 30_000);

it('what needs a restart is named and waits', async () => {
  const from = scene.pushwake.log.length;
  await reload(scene.yaml({ storePath: `${scene.folder}/elsewhere.db`, mode: 'observe' }), 'configuration applied');
  const line = await scene.waitForLog('configuration: these keys wait for the next start', from);
  expect(line).toMatchObject({ keys: ['store'] });
  expect(await reload(scene.yaml(), 'configuration applied')).toMatchObject({ changed: ['mode'] });
}, 30_000);
