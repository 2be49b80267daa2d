/**
 * What every push service that is reached by HTTPS promises of an HTTP proxy: its pushes go through, a proxy that does not lead
 * to the service is named as what is wrong, and the login of the proxy is nowhere but on the wire.
 */
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Targets } from '../../plugin/core/binding.ts';
import type { HttpProxy } from '../../plugin/core/proxy.ts';
import type { PushProvider } from '../../plugin/ports/push-provider.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { PROXY_PASSWORD, type ProxyBehaviour, type ProxyStandIn, startHttpProxy } from '../support/http-proxy.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { requestFor } from './push-provider.contract.ts';

/** A service whose certificate is of `service.test`, a name that only the proxy can resolve. */
export interface ProxiedService {
  readonly port: number;
  readonly targets: Targets;
  /** Requests that it has read. */
  requests(): number;
  create(deps: { clock: FakeClock; log: RecordedLog; name: string; proxy: HttpProxy }): PushProvider;
  close(): Promise<unknown>;
}

const never = new AbortController().signal;
const MISCONFIGURED = 'misconfigured';
const LATER = 'retryLater';

const ROWS: readonly (readonly [string, ProxyBehaviour | 'wrong password' | 'no login', string, string])[] = [
  ['wants another password', 'wrong password', MISCONFIGURED, 'proxy refuses the login'],
  ['wants a login', 'no login', MISCONFIGURED, 'proxy refuses the login'],
  ['forbids the service', { status: 403 }, MISCONFIGURED, 'proxy refuses the service'],
  ['does not know CONNECT', { status: 405 }, MISCONFIGURED, 'proxy refuses the service'],
  ['leads elsewhere', { status: 302 }, MISCONFIGURED, 'proxy refuses the service'],
  ['cannot reach the service', { status: 502 }, LATER, 'proxy cannot reach the service'],
  ['is overloaded', { status: 503 }, LATER, 'proxy cannot reach the service'],
  ['closes the connection', 'close', LATER, 'proxy gave no answer'],
  ['is no proxy', 'garbage', LATER, 'proxy gave no answer'],
  ['sends headers without an end', 'flood', LATER, 'proxy gave no answer'],
];

export function throughProxyContract(name: string, start: () => Promise<ProxiedService>): void {
  describe(`${name} through an HTTP proxy`, () => {
    let service: ProxiedService;
    let proxy: ProxyStandIn;
    let clock: FakeClock;
    let log: RecordedLog;
    const made: PushProvider[] = [];

    beforeEach(async () => {
      service = await start();
      proxy = await startHttpProxy(service.port);
      clock = new FakeClock();
      log = new RecordedLog();
    });
    afterEach(async () => {
      for (const provider of made.splice(0)) await provider.close();
      expect(clock.pending()).toBe(0);
      await proxy.close();
      await service.close();
    });

    const make = (settings = proxy.settings()) => {
      const provider = service.create({ clock, log, name, proxy: settings });
      made.push(provider);
      return provider;
    };
    const send = (provider: PushProvider, signal: AbortSignal = never) => {
      const request = requestFor(provider, 'call', service.targets);
      if (!request) throw new Error('no target for a call');
      return provider.send(request, signal);
    };

    it('asks the proxy for the service by its name, with the login, and the push arrives', async () => {
      const provider = make();
      expect(await send(provider)).toMatchObject({ kind: 'accepted' });
      expect(new Set(proxy.connects)).toEqual(new Set([`service.test:${service.port}`]));
      expect(provider.proxy).toBe(`127.0.0.1:${proxy.port}`);
    });

    it('goes through a proxy that speaks TLS itself, and names one whose certificate is not trusted', async () => {
      const secure = await startHttpProxy(service.port, { tls: true });
      expect(await send(make(secure.settings()))).toMatchObject({ kind: 'accepted' });
      expect(await send(make(secure.settings({ ca: undefined })))).toMatchObject({
        kind: MISCONFIGURED,
        reason: 'proxy certificate not trusted',
      });
      await secure.close();
    });

    it.each(ROWS)('a proxy that %s', async (_, behaviour, kind, reason) => {
      const settings =
        behaviour === 'wrong password'
          ? proxy.settings({ password: `${PROXY_PASSWORD}2` })
          : behaviour === 'no login'
            ? proxy.settings({ user: undefined, password: undefined })
            : proxy.settings();
      if (behaviour !== 'wrong password' && behaviour !== 'no login') proxy.next(behaviour, 10);
      const outcome = await send(make(settings));
      expect(outcome).toMatchObject({ kind, reason });
      expect(service.requests()).toBe(0);
      const seen = `${JSON.stringify(outcome)} ${log.text()} ${JSON.stringify(settings)} ${inspect(settings)}`;
      expect(seen).not.toContain(PROXY_PASSWORD);
      expect(seen).not.toContain(proxy.settings().authorization);
    });

    it('a proxy where nobody listens is not reachable', async () => {
      const settings = proxy.settings();
      await proxy.close();
      expect(await send(make(settings))).toMatchObject({ kind: LATER, reason: 'proxy not reachable' });
      proxy = await startHttpProxy(service.port);
    });

    it('one that is silent is given up in time and named, and the next push asks it anew', async () => {
      proxy.next('hang');
      const provider = make();
      const sent = send(provider);
      await proxy.asked(1);
      await clock.advance(4_000);
      expect(await sent).toMatchObject({ kind: LATER, reason: 'proxy gave no answer' });
      await settle();
      expect(await send(provider)).toMatchObject({ kind: 'accepted' });
    });

    it('a push that is given up while the proxy is silent ends at once', async () => {
      proxy.next('hang');
      const stop = new AbortController();
      const sent = send(make(), stop.signal);
      await proxy.asked(1);
      stop.abort();
      expect(await sent).toMatchObject({ kind: LATER, reason: 'aborted' });
      await clock.advance(5_000);
      await settle();
    });

    it('a tunnel that is closed before TLS stands is no verdict, and the next push goes', async () => {
      proxy.next('tunnel-closes');
      const provider = make();
      expect(await send(provider)).toMatchObject({ kind: LATER });
      expect(await send(provider)).toMatchObject({ kind: 'accepted' });
    });

    it('tunnels that the proxy cuts are opened anew', async () => {
      const provider = make();
      expect(await send(provider)).toMatchObject({ kind: 'accepted' });
      proxy.reset();
      await expect.poll(async () => (await send(provider)).kind).toBe('accepted');
    });
  });
}
