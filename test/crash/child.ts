/**
 * One life of a pushwake that is killed at a boundary (`one-life.ts`). The PBX's contacts and the pushes taken are files. Exit code 0: the story
 * came to its end; killed: the boundary was reached.
 */
import { appendFileSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { DAY, HOUR, instant, MINUTE, plus } from '../../plugin/core/time.ts';
import type { HeldContact } from '../../plugin/ports/pbx-link.ts';
import type { PushProvider, PushRequest } from '../../plugin/ports/push-provider.ts';
import { contactUri, MONDAY } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { fileOf, runtimeOf } from './one-life.ts';

const PHONES = 4;
const files = { now: fileOf('now'), contacts: fileOf('contacts.json'), pushes: fileOf('pushes.jsonl') };

const saved = existsSync(files.now) ? instant(Number(readFileSync(files.now, 'utf8'))) : MONDAY;
const clock = new FakeClock(saved);
const pushesFd = openSync(files.pushes, 'a');
/** The push service: what it took is on its own disk, whatever happens to us. */
const service: PushProvider = {
  name: 'apns',
  targetFor: (purpose, targets) => (purpose === 'call' ? targets.call : targets.other),
  async send(request: PushRequest) {
    const notice = request.purpose === 'notice' ? request.notice : undefined;
    const line = {
      aor: 'aor' in request ? request.aor : '',
      purpose: request.purpose,
      notice,
      collapseId: request.collapseId,
      at: clock.now(),
    };
    appendFileSync(pushesFd, `${JSON.stringify(line)}\n`);
    fsyncSync(pushesFd);
    return { kind: 'accepted' };
  },
  close: async () => undefined,
};
const pbx = new FakePbx({
  clock,
  onChange: (contacts) => writeFileSync(files.contacts, JSON.stringify(contacts)),
});
if (existsSync(files.contacts)) pbx.restore(JSON.parse(readFileSync(files.contacts, 'utf8')) as HeldContact[]);
const runtime = runtimeOf({ clock, links: [pbx], service, policy: { refreshSpreadMs: 0 } });
await runtime.start();
await runtime.idle();
if (!existsSync(files.now)) {
  // Killed while it began: the phones register once more, as phones do.
  for (let n = 0; n < PHONES; n++) {
    const hex = n.toString(16).repeat(64);
    pbx.register(`100${n}`, contactUri({ port: 40_000 + n, voip: `a${hex.slice(1)}`, other: `b${hex.slice(1)}` }), {
      grantedMs: 9 * DAY,
      told: true,
    });
  }
  await runtime.idle();
  // Nothing happens until the last day; the PBX still holds the contacts, so that there is something to remove.
  clock.set(plus(MONDAY, 6 * DAY - HOUR));
  writeFileSync(files.now, String(clock.now()));
}
const end = plus(MONDAY, 7 * DAY + 2 * HOUR);
while (clock.now() < end) {
  await clock.advance(10 * MINUTE);
  await runtime.idle();
  writeFileSync(files.now, String(clock.now()));
}
await runtime.stop();
process.exit(0);
