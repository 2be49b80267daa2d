/** CPU and throughput of a push, ours and a bare client's in turn, over as many connections and as many in flight. */
import { random, systemClock } from '../../../adapters/clock/system/index.ts';
import { create as createApns } from '../../../adapters/push/apns/index.ts';
import { create as createPnm } from '../../../adapters/push/pnm/index.ts';
import type { Target } from '../../../plugin/core/binding.ts';
import { MINUTE, plus } from '../../../plugin/core/time.ts';
import { Token } from '../../../plugin/core/token.ts';
import type { PushProvider } from '../../../plugin/ports/push-provider.ts';
import { createDelivery } from '../../../plugin/runtime/push/delivery.ts';
import { makeP8Key } from '../../support/apns-stand-in/index.ts';
import type { Result } from '../bench.ts';
import { type BareClient, bareClient } from './bare.ts';
import { fcm } from './fcm.ts';
import { median, run, silent } from './measure.ts';
import { startService } from './service-process.ts';

const CONNECTIONS = 2;
const IN_FLIGHT = 100;
const PUSHES = 4_000;
/** Short ones: what else the machine does meanwhile happens to both. */
const ROUNDS = 25;

interface Contender {
  readonly name: string;
  readonly provider: PushProvider;
  readonly target: Target;
  /** What goes over the wire, as the bare client sends it. */
  readonly bare: (client: BareClient, i: number) => Promise<unknown>;
}

export async function cost(progress: (line: string) => void): Promise<Result[]> {
  const clock = systemClock();
  const service = await startService();
  const { endpoint } = service;
  const deps = (name: string) => ({ clock, log: silent, name });
  const token = 'a'.repeat(64);
  const payload = JSON.stringify({
    pushwake: {
      v: 1,
      type: 'call',
      pushId: 'x'.repeat(36),
      callId: 'c'.repeat(36),
      aor: '1001@example.com',
      sentAt: 1,
      expiresAt: 2,
    },
  });
  // As long as the real signature; the service does not look at it.
  const signature = `bearer ${'j'.repeat(190)}`;
  const contenders: Contender[] = [
    {
      name: 'APNs',
      provider: createApns(
        {
          apps: [{ teamId: 'TEAM123456', bundleId: 'com.example.phone', keyId: 'KEY1234567', key: makeP8Key() }],
          connections: CONNECTIONS,
          endpoint,
        },
        deps('apns'),
      ),
      target: { provider: 'apns', app: 'TEAM123456.com.example.phone', token: new Token(token) },
      bare: (client, i) =>
        client.send(
          `/3/device/${token}`,
          {
            authorization: signature,
            'apns-topic': 'com.example.phone.voip',
            'apns-push-type': 'voip',
            'apns-priority': '10',
            'apns-expiration': '1767614460',
            'apns-id': `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
          },
          payload,
        ),
    },
    {
      name: 'Acrobits',
      provider: createPnm(
        { url: 'https://pnm.example.org/pnm2/send', connections: CONNECTIONS, endpoint },
        deps('pnm'),
      ),
      target: { provider: 'pnm', app: 'com.example', selector: 'SEL:1', token: new Token(token) },
      bare: (client) =>
        client.send(
          '/pnm2/send',
          { 'content-type': 'application/json', accept: 'application/json' },
          JSON.stringify({
            verb: 'NotifyIncomingCall',
            AppId: 'com.example',
            DeviceToken: token,
            Selector: 'SEL:1',
            Id: 'c'.repeat(36),
          }),
        ),
    },
  ];
  const results: Result[] = [];
  try {
    for (const { name, provider, target, bare } of contenders) {
      await service.set({ body: name === 'Acrobits' ? '{"code":200,"response":"OK"}' : '' });
      const delivery = createDelivery({ providers: [provider], clock, log: silent, random });
      const client = bareClient(endpoint, CONNECTIONS);
      const ours = async () => {
        const expiresAt = plus(clock.now(), MINUTE);
        const draft = { purpose: 'call' as const, callId: 'c'.repeat(36), aor: '1001@example.com', expiresAt };
        const outcome = await delivery.send(draft, { call: target });
        if (outcome.kind !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(outcome)}`);
      };
      await run(2_000, IN_FLIGHT, ours);
      await run(2_000, IN_FLIGHT, (i) => bare(client, i));
      const [a, b]: { perSecond: number; cpuUs: number }[][] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        progress(`${name}: round ${round + 1} of ${ROUNDS}, ${PUSHES.toLocaleString('en-US')} pushes each`);
        a?.push(await run(PUSHES, IN_FLIGHT, ours));
        b?.push(await run(PUSHES, IN_FLIGHT, (i) => bare(client, i)));
      }
      const of = (list: typeof a, what: 'perSecond' | 'cpuUs') => median((list ?? []).map((r) => r[what]));
      results.push(
        { name: `${name}: CPU per push, ours`, value: of(a, 'cpuUs'), unit: 'µs' },
        { name: `${name}: … bare node:http2`, value: of(b, 'cpuUs'), unit: 'µs' },
        {
          name: `${name}: CPU, ours / bare (medians of ${ROUNDS})`,
          value: of(a, 'cpuUs') / of(b, 'cpuUs'),
          unit: '×',
          target: '<=1.25',
        },
        { name: `${name}: pushes per second, ours`, value: of(a, 'perSecond'), unit: '/s' },
        {
          name: `${name}: throughput, ours / bare`,
          value: of(a, 'perSecond') / of(b, 'perSecond'),
          unit: '×',
          target: '>=0.7',
        },
      );
      client.close();
      await delivery.close();
    }
  } finally {
    await service.close();
  }
  results.push(...(await fcm(progress)));
  return results;
}
