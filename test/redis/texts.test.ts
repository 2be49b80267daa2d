/** Texts on a real Redis that is killed while they come, and while they are delivered: none is lost, none comes twice. */
import { afterEach, expect, it, vi } from 'vitest';
import { randomId, systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { RedisServer } from '../support/redis/instance.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';
import { smallRuntime } from '../support/small-runtime.ts';
import { ACCOUNT, FROM, uriOf } from '../support/text-site.ts';

const ending: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function site() {
  const redis = await RedisServer.start();
  ending.push(() => redis.stop());
  const clock = systemClock();
  const log = new RecordedLog();
  const pbx = new FakePbx({ clock });
  const service = new ScriptedPushProvider('apns');
  const runtime = smallRuntime({
    clock,
    log,
    store: create(optionsSchema.parse({ url: redis.url }), { clock, log, name: 'redis' }),
    links: [pbx],
    service,
    randomHex: randomId,
    messages: { wake: true, showText: false },
  });
  await runtime.start();
  ending.push(() => runtime.stop());
  const got: string[] = [];
  pbx.phoneAnswers = async (_, { body }) => {
    got.push(body);
    return 'taken';
  };
  const answers: Record<string, string> = {};
  pbx.onTextAnswered = (id, answer) => {
    answers[id] = answer;
  };
  const text = async (id: string) => {
    const more = { from: FROM, to: '<sip:1001@example.com>', contentType: 'text/plain' };
    pbx.emit({ type: 'textArrived', pbx: 'office', id, aor: ACCOUNT, body: `text ${id}`, ...more });
    await vi.waitFor(() => expect(answers[id]).toBeDefined(), 10_000);
  };
  const pushes = () => service.requests.flatMap((r) => (r.purpose === 'message' ? [r.count] : []));
  const registers = () => pbx.register('1001', uriOf(1), { told: true });
  const sleeps = () => pbx.remove(ACCOUNT, uriOf(1));
  registers();
  await vi.waitFor(() => expect(log.text()).toMatch(/binding bound/), 10_000);
  sleeps();
  return { redis, pbx, log, got, answers, text, pushes, registers, sleeps };
}

it('away while texts come: they are kept, pushed when it is back, and delivered once, in order', async () => {
  const s = await site();
  await s.text('a');
  await vi.waitFor(() => expect(s.pushes()).toEqual([1]), 10_000);
  await s.redis.kill();
  for (const id of ['b', 'c', 'd', 'b']) await s.text(id);
  expect(s.answers).toEqual({ a: 'kept', b: 'kept', c: 'kept', d: 'kept' });
  expect(s.got).toEqual([]);
  await s.redis.restart();
  // The second push waits for ten seconds after the first; the phone is back before.
  await vi.waitFor(() => expect(s.log.text()).toMatch(/store of texts answers again/), 20_000);
  s.registers();
  await vi.waitFor(() => expect(s.got).toHaveLength(4), 20_000);
  await s.text('d');
  s.registers();
  await vi.waitFor(async () => expect(await s.redis.cli('--scan', '--pattern', '*t:*')).not.toBe(''), 10_000);
  expect(s.got).toEqual(['text a', 'text b', 'text c', 'text d']);
});

it('killed between the phone’s 200 and our note of it: the phone does not get that text again', async () => {
  const s = await site();
  for (const id of ['a', 'b']) await s.text(id);
  s.pbx.phoneAnswers = async (_, { body }) => {
    s.got.push(body);
    if (s.got.length === 1) await s.redis.kill();
    return 'taken';
  };
  s.registers();
  await vi.waitFor(() => expect(s.log.text()).toMatch(/store of texts does not answer/), 20_000);
  expect(s.got).toEqual(['text a']);
  await s.redis.restart();
  await vi.waitFor(() => expect(s.log.text()).toMatch(/store of texts answers again/), 20_000);
  s.registers();
  await vi.waitFor(() => expect(s.got).toHaveLength(2), 20_000);
  s.registers();
  expect(s.got).toEqual(['text a', 'text b']);
});
