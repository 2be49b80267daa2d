/**
 * One life of a pushwake that is killed amid texts. Real stores, real runtime; the PBX, its mailbox of texts and the phone are the test's and
 * outlive the process as files. Arguments: folder, boundary, how many-th time, the texts that arrive in this life.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomId, systemClock } from '../../adapters/clock/system/index.ts';
import { create } from '../../adapters/store/sqlite/index.ts';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY } from '../../plugin/core/time.ts';
import { onBoundary } from '../../plugin/runtime/bindings/crash-points.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';
import { ACCOUNT, FROM, uriOf } from '../support/text-site.ts';

const [folder = '', boundary = '', nth = '0', ...texts] = process.argv.slice(2);
const mailbox = join(folder, 'mailbox.json');
const phone = join(folder, 'phone.txt');
const pushes = join(folder, 'pushes.txt');

let crossings = 0;
onBoundary((at) => {
  if (at === boundary && ++crossings === Number(nth)) process.kill(process.pid, 'SIGKILL');
});

const held = (): string[] => (existsSync(mailbox) ? (JSON.parse(readFileSync(mailbox, 'utf8')) as string[]) : []);
const hold = (ids: readonly string[]) => writeFileSync(mailbox, JSON.stringify(ids));

const clock = new FakeClock();
const pbx = new FakePbx({ clock });
pbx.onTextAnswered = (id) => hold(held().filter((x) => x !== id));
pbx.phoneAnswers = async (_, { body }) => {
  appendFileSync(phone, `${body}\n`);
  return 'taken';
};
const service = new ScriptedPushProvider('apns');
const log = new RecordedLog();
const runtime = new Runtime({
  mode: 'full',
  clock,
  log,
  store: create({ path: join(folder, 'bindings.db') }, { clock: systemClock(), log, name: 'sqlite' }),
  links: [pbx],
  delivery: createDelivery({ providers: [service], clock, log, random: () => 0.5 }),
  policyFor: () => () => DEFAULT_POLICY,
  noticeText: (_aor, notice) => ({ body: `${notice}: {count}` }),
  realmOf: () => 'example.com',
  randomHex: randomId,
  forgetAfterMs: DAY,
  brake: false,
  messages: { wake: true, showText: false },
});
const done = async () => {
  // The stores answer in real time.
  for (let i = 0; i < 5; i++) {
    await new Promise((next) => setTimeout(next, 2));
    await runtime.idle();
  }
};
await runtime.start();
await done();
// The phone is known from an earlier life, or registers now; then it sleeps.
pbx.register('1001', uriOf(1), { told: !existsSync(mailbox) });
await done();
pbx.remove(ACCOUNT, uriOf(1));
await done();
hold([...held(), ...texts]);
for (const id of held()) {
  const more = { from: FROM, to: '<sip:1001@example.com>', contentType: 'text/plain' };
  pbx.emit({ type: 'textArrived', pbx: 'office', id, aor: ACCOUNT, body: `text ${id}`, ...more });
  await done();
}
pbx.register('1001', uriOf(1), { told: true });
await done();
appendFileSync(pushes, service.requests.map((r) => `${r.purpose}\n`).join(''));
await runtime.stop();
process.exit(0);
