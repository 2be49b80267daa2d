/** CPU and throughput of a push by firebase-admin and by a bare node:https client, in turn, over as many connections and as many in flight. */
import { fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { Agent, request } from 'node:https';
import { fileURLToPath } from 'node:url';
import { random, systemClock } from '../../../adapters/clock/system/index.ts';
import { create as createFcm } from '../../../adapters/push/fcm/index.ts';
import { MINUTE, plus } from '../../../plugin/core/time.ts';
import { Token } from '../../../plugin/core/token.ts';
import { createDelivery } from '../../../plugin/runtime/push/delivery.ts';
import type { Result } from '../bench.ts';
import { median, run, silent } from './measure.ts';

const CONNECTIONS = 10;
const PUSHES = 2_000;
const ROUNDS = 15;
const DEVICE = 'd'.repeat(163);

interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly ca: string;
}

export async function fcm(progress: (line: string) => void): Promise<Result[]> {
  const child = fork(fileURLToPath(new URL('./fcm-service.ts', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const { port, ca } = await new Promise<{ port: number; ca: string }>((resolve, reject) => {
    child.once('message', (message) => resolve(message as { port: number; ca: string }));
    child.once('exit', () => reject(new Error('the service ended')));
  });
  const endpoint: Endpoint = { address: '127.0.0.1', port, ca };
  const clock = systemClock();
  const provider = createFcm(
    {
      apps: [{ projectId: 'example', senderId: '123456789012', serviceAccount: serviceAccount() }],
      connections: CONNECTIONS,
      endpoint,
    },
    { clock, log: silent, name: 'fcm' },
  );
  const delivery = createDelivery({ providers: [provider], clock, log: silent, random });
  const target = { provider: 'fcm', app: '123456789012', token: new Token(DEVICE) };
  const ours = async () => {
    const draft = {
      purpose: 'call' as const,
      callId: 'c'.repeat(36),
      aor: '1001@example.com',
      expiresAt: plus(clock.now(), MINUTE),
    };
    const outcome = await delivery.send(draft, { call: target });
    if (outcome.kind !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(outcome)}`);
  };
  const bare = bareClient(endpoint);
  try {
    await run(1_000, CONNECTIONS, ours);
    await run(1_000, CONNECTIONS, bare.send);
    const [a, b]: { perSecond: number; cpuUs: number }[][] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      progress(`FCM: round ${round + 1} of ${ROUNDS}, ${PUSHES.toLocaleString('en-US')} pushes each`);
      a?.push(await run(PUSHES, CONNECTIONS, ours));
      b?.push(await run(PUSHES, CONNECTIONS, bare.send));
    }
    const of = (list: typeof a, what: 'perSecond' | 'cpuUs') => median((list ?? []).map((r) => r[what]));
    return [
      { name: 'FCM: CPU per push, ours', value: of(a, 'cpuUs'), unit: 'µs' },
      { name: 'FCM: … bare node:https', value: of(b, 'cpuUs'), unit: 'µs' },
      {
        name: `FCM: CPU, ours / bare (medians of ${ROUNDS})`,
        value: of(a, 'cpuUs') / of(b, 'cpuUs'),
        unit: '×',
        target: '<=2.5',
      },
      { name: 'FCM: pushes per second, ours', value: of(a, 'perSecond'), unit: '/s' },
      { name: 'FCM: throughput, ours / bare', value: of(a, 'perSecond') / of(b, 'perSecond'), unit: '×' },
    ];
  } finally {
    bare.close();
    await delivery.close();
    child.removeAllListeners('exit');
    child.kill();
  }
}

/** As the Firebase console hands it out, with a key of this run. */
function serviceAccount(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return JSON.stringify({
    type: 'service_account',
    project_id: 'example',
    client_email: 'bench@example.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    private_key_id: 'k'.repeat(40),
    token_uri: 'https://oauth2.googleapis.com/token',
  });
}

/** The yardstick: as little as one can write around node:https and still learn each push's answer. */
function bareClient({ address, port, ca }: Endpoint): { send: () => Promise<number>; close: () => void } {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, ca });
  const body = JSON.stringify({
    message: {
      token: DEVICE,
      android: { priority: 'high', ttl: '60s' },
      data: { type: 'call', callId: 'c'.repeat(36), aor: '1001@example.com' },
    },
  });
  const headers = {
    authorization: `Bearer ${'a'.repeat(200)}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  return {
    send: () =>
      new Promise((resolve, reject) => {
        const sent = request(
          { agent, host: address, port, path: '/v1/projects/example/messages:send', method: 'POST', headers },
          (response) => {
            response.resume().on('end', () => resolve(response.statusCode ?? 0));
          },
        );
        sent.on('error', reject);
        sent.end(body);
      }),
    close: () => agent.destroy(),
  };
}
