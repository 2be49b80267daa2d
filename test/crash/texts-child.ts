/**
 * One life of a pushwake that is killed amid texts (`one-life.ts`). The PBX's mailbox of texts and what the phone got are files. Arguments of its
 * own: the texts that arrive in this life.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { FakeClock } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';
import { ACCOUNT, FROM, uriOf } from '../support/text-site.ts';
import { fileOf, ownArguments, runtimeOf } from './one-life.ts';

const mailbox = fileOf('mailbox.json');
const phone = fileOf('phone.txt');
const pushes = fileOf('pushes.txt');

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
const messages = { wake: true, showText: false };
const runtime = runtimeOf({ clock, links: [pbx], service, messages });
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
hold([...held(), ...ownArguments]);
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
