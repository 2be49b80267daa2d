/** A contact that asks for push and is not bound: every one has a reason that somebody can read, once, and in `explain`. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DEFAULT_POLICY } from '../../plugin/core/policy.ts';
import { DAY, HOUR } from '../../plugin/core/time.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { Runtime } from '../../plugin/runtime/runtime.ts';
import { AOR, contactUri, MONDAY } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakePbx } from '../support/fake-pbx.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';

const PLAIN = 'sip:1001@192.0.2.7:40001;transport=tls';

let log: RecordedLog;
let pbx: FakePbx;
let runtime: Runtime;

beforeEach(async () => {
  const clock = new FakeClock(MONDAY);
  log = new RecordedLog();
  pbx = new FakePbx({ clock });
  let ids = 0;
  runtime = new Runtime({
    mode: 'full',
    clock,
    log,
    store: new MemoryStore(),
    links: [pbx],
    delivery: createDelivery({ providers: [new ScriptedPushProvider('apns')], clock, log, random: () => 0.5 }),
    policyFor: () => () => DEFAULT_POLICY,
    noticeText: (_aor, notice) => ({ body: notice }),
    realmOf: () => 'example.com',
    randomHex: (bytes) => (++ids).toString(16).padStart(bytes * 2, '0'),
    forgetAfterMs: DAY,
  });
  await runtime.start();
});
afterEach(async () => runtime.stop());

const said = () => log.at('warn').filter((l) => l.message === 'contact asks for push and is not bound');
const explained = async () => (await runtime.operator.explain(AOR))?.devices.join('\n');

/** As HEP tells it: what stood on the wire, and whether push parameters stood behind the `>`. */
async function seen(uri: string, wire: { misplaced?: boolean } = {}): Promise<void> {
  pbx.emit({
    type: 'contactSeen',
    how: 'hep',
    at: MONDAY,
    contact: { pbx: 'office', aor: AOR, uri },
    grantedMs: HOUR,
    wire: { contact: uri, source: '192.0.2.7:40001', ...wire },
  });
  await runtime.idle();
}

it('push parameters that cannot be read: one line with reason and remedy, however often and from wherever it registers', async () => {
  for (const port of [1, 2, 3]) await seen(`${PLAIN.replace('40001', `4000${port}`)};pn-provider=fcm;pn-prid=t`);
  expect(said()).toMatchObject([
    { fields: { aor: AOR, pbx: 'office', reason: 'pn-param is missing', hint: expect.stringContaining('RFC 8599') } },
  ]);
  expect(await explained()).toMatch(
    /A contact on office asks for push and is not bound: pn-param is missing\. What to do:/,
  );
  expect(runtime.status.notBound()).toMatchObject([{ aor: AOR, reason: 'pn-param is missing' }]);
});

it('push parameters behind the ">": said, and the binding of the same device lives on', async () => {
  await seen(contactUri());
  await seen(PLAIN, { misplaced: true });
  expect(said()).toMatchObject([{ fields: { reason: expect.stringContaining('behind the ">"') } }]);
  expect(await explained()).toMatch(/can be woken until .*[\s\S]*behind the ">"/);
});

it('is over once the account has a binding', async () => {
  await seen(`${PLAIN};pn-prid=t`);
  expect(await explained()).toContain('pn-prid without pn-provider');
  await seen(contactUri({ port: 50_001 }));
  expect(await explained()).not.toContain('is not bound');
  expect(runtime.status.notBound()).toEqual([]);
});

it('an account or a place that the configuration leaves out: one line for all, and each has it in `explain`, by its user too', async () => {
  for (const account of ['1001@192.0.2.1', '1002@192.0.2.1']) {
    pbx.emit({ type: 'notBound', pbx: 'office', account, reason: 'another domain', remedy: 'write it down' });
  }
  await runtime.idle();
  expect(said()).toMatchObject([
    { fields: { aor: '1001@192.0.2.1', reason: 'another domain', hint: 'write it down' } },
  ]);
  expect(await explained()).toBe(
    'A contact of 1001@192.0.2.1 on office asks for push and is not bound: another domain. What to do: write it down.',
  );
  expect((await runtime.operator.explain('1002@192.0.2.1'))?.devices).toHaveLength(1);
  expect(await runtime.operator.explain('1003@example.com')).toBeUndefined();
});

it('an ordinary phone, and one that asks what there is, are no news; the memory is bounded', async () => {
  await seen('sip:1001@192.0.2.9:5060');
  await seen(`${PLAIN};pn-provider=apns`);
  expect(said()).toEqual([]);
  for (let i = 0; i < 1_500; i++) {
    pbx.emit({
      type: 'contactSeen',
      how: 'event',
      at: MONDAY,
      contact: { pbx: 'office', aor: `${2_000 + i}@example.com` as typeof AOR, uri: `${PLAIN};pn-prid=t` },
    });
  }
  await runtime.idle();
  expect(runtime.status.notBound()).toHaveLength(1_000);
});
