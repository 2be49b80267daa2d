/** The websocket that we open to an Asterisk, and the thread that takes its place when the main one hangs. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { LINE_IS_UP, newFlags, WAS_TAKEN } from '../../adapters/pbx/asterisk/dial-out/shared-flags.ts';
import type { StandbyData } from '../../adapters/pbx/asterisk/dial-out/standby.ts';
import { DialOutTransport } from '../../adapters/pbx/asterisk/dial-out/transport.ts';
import { DEAD_AFTER_MS } from '../../adapters/pbx/supervised-worker.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RecordedLog } from '../support/recorded-log.ts';

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

/** As much of ARI as the link asks for before it is up: requests by HTTP, as of an Asterisk before 22.5. */
class Listening {
  readonly #http: Server;
  readonly requests: string[] = [];
  readonly sockets: WebSocket[] = [];
  password = 'secret';
  /** Applications of each websocket that was opened. */
  readonly opened: string[] = [];

  private constructor() {
    const upgrades = new WebSocketServer({ noServer: true });
    this.#http = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '', 'http://pbx');
      this.requests.push(`${request.method} ${pathname}`);
      const isKnown = request.headers.authorization === `Basic ${btoa(`pushwake:${this.password}`)}`;
      const [status, body] = isKnown ? answerTo(request.method ?? '', pathname, this.url) : [401, {}];
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    this.#http.on('upgrade', (request, socket, head) => {
      this.opened.push(new URL(request.url ?? '', 'http://pbx').searchParams.get('app') ?? '');
      upgrades.handleUpgrade(request, socket, head, (opened) => this.sockets.push(opened));
    });
  }

  static async start(): Promise<Listening> {
    const asterisk = new Listening();
    await new Promise<void>((listening) => asterisk.#http.listen(0, '127.0.0.1', listening));
    ending.push(() => asterisk.#stop());
    return asterisk;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  say(event: object): void {
    this.sockets.at(-1)?.send(JSON.stringify(event));
  }

  #stop(): void {
    for (const socket of this.sockets) socket.terminate();
    this.#http.closeAllConnections();
    this.#http.close();
  }
}

function answerTo(method: string, path: string, url: string): [number, unknown] {
  if (method === 'DELETE') return [422, {}];
  if (path === '/ari/applications/pushwake-contacts')
    return [200, { bridge_ids: ['pushwake-contacts'], events_allowed: [{}] }];
  if (path === '/ari/asterisk/info') return [200, { system: { version: '18.26.4' } }];
  // What ari-client reads: one resource without operations.
  const described = {
    swaggerVersion: '1.1',
    basePath: `${url}/ari`,
    apis: [{ path: '/api-docs/events.{format}', description: '' }],
  };
  if (path === '/ari/api-docs/resources.json') return [200, described];
  if (path === '/ari/api-docs/events.json')
    return [200, { ...described, apis: [], resourcePath: '/api-docs/events.{format}', models: {} }];
  return path.startsWith('/ari/api-docs/') || path.includes('/modules/') ? [404, {}] : [200, []];
}

function linkTo({ url }: Listening) {
  const log = new RecordedLog();
  const events: unknown[] = [];
  const downs: string[] = [];
  let ups = 0;
  const transport = new DialOutTransport({
    deps: { clock: new FakeClock(), log, name: 'office' },
    app: 'pushwake',
    login: { url, username: 'pushwake', password: 'secret' },
    onUp: () => ups++,
    onDown: (reason) => downs.push(reason),
    onEvent: (event) => {
      const { type } = event as { type: string };
      if (type === 'Dial') throw new Error('of ours');
      events.push(type);
    },
  });
  ending.push(() => transport.stop());
  return { transport, log, events, downs, ups: () => ups };
}

describe('a websocket to Asterisk', () => {
  it('is up when the first requests are answered; events come, orders go', async () => {
    const asterisk = await Listening.start();
    const { transport, events, log } = linkTo(asterisk);
    await transport.start();
    expect(transport.up).toBe(true);
    expect(asterisk.opened).toEqual(['pushwake,pushwake-contacts']);
    expect(log.at('info').map((l) => l.fields)).toEqual([{ pbx: 'office', version: '18.26.4', rest: 'http' }]);
    asterisk.say({ type: 'StasisEnd', channel: { id: 'c' } });
    await expect.poll(() => events).toEqual(['StasisEnd']);
    await transport.call('setVariable', { channelId: 'c', variable: 'A', value: '1' }, 1_000);
    expect(asterisk.requests.at(-1)).toBe('POST /ari/channels/c/variable');
  });

  it('that closes is told and opened again; an order meanwhile fails', async () => {
    const asterisk = await Listening.start();
    const { transport, downs, ups } = linkTo(asterisk);
    await transport.start();
    asterisk.sockets[0]?.terminate();
    await expect.poll(() => downs).toEqual(['the websocket closed']);
    await expect(transport.call('onlineEndpoints', {}, 1_000)).rejects.toThrow('link office is down');
    await expect.poll(ups).toBe(2);
  });

  it('an event that we cannot deal with costs that event alone', async () => {
    const asterisk = await Listening.start();
    const { transport, events, downs, log } = linkTo(asterisk);
    await transport.start();
    asterisk.say({ type: 'Dial', dialstatus: 'RINGING' });
    asterisk.say({ type: 'StasisEnd', channel: { id: 'c' } });
    await expect.poll(() => events).toEqual(['StasisEnd']);
    expect(log.at('error').map((l) => l.fields)).toEqual([{ pbx: 'office', event: 'Dial', reason: 'of ours' }]);
    expect(downs).toEqual([]);
  });

  it('a refused login is told once, with what to do, and tried again', async () => {
    const asterisk = await Listening.start();
    asterisk.password = 'another';
    const { transport, log, ups } = linkTo(asterisk);
    await transport.start();
    expect(transport.up).toBe(false);
    await expect.poll(() => asterisk.requests.length).toBeGreaterThan(2);
    expect(log.at('warn').map((l) => l.fields.reason)).toEqual(['ARI refuses the login of user "pushwake"']);
    expect(log.text()).not.toContain('secret');
    asterisk.password = 'secret';
    await expect.poll(ups, { timeout: 5_000 }).toBe(1);
  });

  it('another process that takes our application over is no standby of ours', async () => {
    const asterisk = await Listening.start();
    const { transport, events, downs } = linkTo(asterisk);
    await transport.start();
    asterisk.say({ type: 'ApplicationReplaced', application: 'pushwake' });
    await expect.poll(() => events).toEqual(['ApplicationReplaced']);
    expect(downs).toEqual([]);
  });
});

describe('the standby of a main thread', () => {
  function standby({ url }: Listening, isUp: boolean) {
    const flags = newFlags();
    flags[LINE_IS_UP] = isUp ? 1 : 0;
    const workerData: StandbyData = {
      login: { url, username: 'pushwake', password: 'secret' },
      app: 'pushwake',
      flags,
    };
    const script = new URL('../../adapters/pbx/asterisk/dial-out/standby.ts', import.meta.url);
    const worker = new Worker(script, { workerData, stdout: true, stderr: true });
    ending.push(() => worker.terminate());
    return { flags, worker };
  }

  it('takes the applications and closes when it hears nothing for a second', async () => {
    const asterisk = await Listening.start();
    const begun = performance.now();
    const { flags } = standby(asterisk, true);
    await expect.poll(() => asterisk.opened, { timeout: 5_000 }).toEqual(['pushwake,pushwake-contacts']);
    expect(performance.now() - begun).toBeGreaterThan(DEAD_AFTER_MS);
    await expect.poll(() => asterisk.sockets[0]?.readyState).toBe(3);
    expect(flags[WAS_TAKEN]).toBe(1);
  });
});
