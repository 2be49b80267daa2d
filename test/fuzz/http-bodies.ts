/** Bodies of both listeners, through the real routes: an answer below 500, whatever stands in them. */
import { type Aor, parseAor } from '../../plugin/core/aor.ts';
import { accountKey } from '../../plugin/http/account-key.ts';
import { acrobitsRoutes } from '../../plugin/http/acrobits.ts';
import { guarded } from '../../plugin/http/admin.ts';
import { deviceRoutes } from '../../plugin/http/devices.ts';
import { build } from '../../plugin/http/listener.ts';
import { pushRoutes } from '../../plugin/http/push-api.ts';
import { CustomPushes } from '../../plugin/runtime/push/custom-pushes.ts';
import { createDelivery } from '../../plugin/runtime/push/delivery.ts';
import { bindingEndingIn, MONDAY, recordOf } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { ScriptedPushProvider } from '../support/scripted-push-provider.ts';
import { Broken } from './broken.ts';
import type { FuzzTarget } from './targets.ts';

const AOR = parseAor('1001@example.com') as Aor;
const SECRET = 'a-secret-of-the-fuzzer-0123456789';
const KEY = accountKey(SECRET, AOR);
const OPERATOR = 'push-token-of-24-characters';
const clock = new FakeClock(MONDAY);
// What is logged here is not read, and would only grow.
const log = new (class extends RecordedLog {
  override lines = Object.assign([], { push: () => 0 }) as RecordedLog['lines'];
})();
const common = { title: 'x', version: '0', ratePerMinute: 0, maxConnections: 100, log, clock };
const about = {
  reports: { report: async () => 'taken', withdraw: async () => 'taken', receipt: async () => 'taken' } as never,
  secret: SECRET,
  serves: (aor: Aor) => aor.endsWith('@example.com'),
  services: new Set(['apns', 'pnm']),
};
const devices = await build({ ...common, name: 'devices', routes: [acrobitsRoutes(about), deviceRoutes(about)] });
const record = recordOf(bindingEndingIn(432_000_000, MONDAY));
const sender = new CustomPushes({
  clock,
  log,
  delivery: createDelivery({ providers: [new ScriptedPushProvider('apns')], clock, log, random: () => 0.5 }),
  settled: async () => undefined,
  read: async (aor) => (aor === AOR ? record : undefined),
  mode: () => 'observe',
});
const admin = await build({
  ...common,
  name: 'admin',
  routes: [guarded(() => [{ name: 'push', role: 'push', token: OPERATOR }], [pushRoutes(sender)])],
});

const WORDS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  'null',
  'true',
  '1e999',
  '-1',
  '"__proto__":',
  '"constructor":',
  '\\u0000',
  '&',
  '=',
  '%00',
  '%',
  '+',
  '"call":',
  '"other":',
  '"text":',
  '"data":',
  '"provider":"apns"',
];
const TARGET = { provider: 'apns', app: 'a', token: 'c'.repeat(64) };

function body(
  name: string,
  seeds: readonly string[],
  type: string,
  send: (payload: Buffer, type: string) => Promise<{ readonly statusCode: number }>,
): FuzzTarget {
  return {
    name,
    seeds,
    words: WORDS,
    async run(input) {
      const { statusCode } = await send(input, type);
      if (statusCode >= 500) throw new Broken(`answered ${statusCode}`);
      return String(statusCode);
    },
  };
}

export const bodies: readonly FuzzTarget[] = [
  body(
    'http-device',
    [JSON.stringify({ call: TARGET, other: TARGET, locale: 'de' })],
    'application/json',
    (payload, type) =>
      devices.inject({
        method: 'PUT',
        url: '/v1/devices/1001@example.com/install-1',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': type },
        payload,
      }),
  ),
  body(
    'http-acrobits',
    [
      JSON.stringify({
        account: AOR,
        key: KEY,
        selector: 'SEL:1',
        installid: 'install-1',
        pushTokenIncomingCall: 'a',
        pushappid_incoming_call: 'b',
        pushTokenOther: 'c',
        pushappid_other: 'd',
      }),
    ],
    'application/json',
    (payload, type) =>
      devices.inject({ method: 'POST', url: '/v1/acrobits/token', headers: { 'content-type': type }, payload }),
  ),
  body(
    'http-push',
    [
      JSON.stringify({
        text: 'Somebody rings.',
        title: 'Door',
        data: { door: 7 },
        urgent: true,
        keepSeconds: 60,
        collapseKey: 'x',
      }),
    ],
    'application/json',
    (payload, type) =>
      admin.inject({
        method: 'POST',
        url: '/v1/accounts/1001@example.com/push',
        headers: { authorization: `Bearer ${OPERATOR}`, 'content-type': type },
        payload,
      }),
  ),
];

/** Ends what would keep the process alive. */
export async function closeBodies(): Promise<void> {
  await devices.close();
  await admin.close();
}
