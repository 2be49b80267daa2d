import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { create } from '../../adapters/push/pnm/index.ts';
import { VERDICTS } from '../../adapters/push/pnm/outcome.ts';
import { LIMIT_BYTES } from '../../adapters/push/pnm/payload.ts';
import { SECOND } from '../../plugin/core/time.ts';
import { Token } from '../../plugin/core/token.ts';
import type { CancelPush, PushProvider, PushPurpose } from '../../plugin/ports/push-provider.ts';
import { everyPurpose, pushProviderContract, requestFor } from '../contract/push-provider.contract.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { untilLate } from '../support/http-stand-in.ts';
import { type PnmStandIn, startPnmStandIn } from '../support/pnm-stand-in/index.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { selfSignedCertificate } from '../support/tls.ts';

const CALLS = 'Y2FsbHMtdG9rZW4tb2YtdGhlLXBob25l';
const OTHER = 'b3RoZXItdG9rZW4tb2YtdGhlLXBob25l';
const APP_CALLS = 'com.example.phone.voip';
const APP_OTHER = 'com.example.phone';
const SELECTOR = '12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14';
const never = new AbortController().signal;
const target = (app: string, token: string, selector: string | undefined = SELECTOR) => ({
  provider: 'pnm',
  app,
  ...(selector !== undefined && { selector }),
  token: new Token(token),
});
const TARGETS = { call: target(APP_CALLS, CALLS), other: target(APP_OTHER, OTHER) };

function registered(pnm: PnmStandIn): PnmStandIn {
  pnm.register(APP_CALLS, CALLS, { calls: true });
  pnm.register(APP_OTHER, OTHER);
  return pnm;
}

describe.each([
  ['over HTTP/2', false],
  ['over HTTP/1.1', true],
])('%s', (how, http1) => {
  pushProviderContract(`pnm ${how}`, {
    verdicts: VERDICTS,
    limitBytes: everyPurpose(LIMIT_BYTES),
    // Acrobits has no push that shows nothing.
    cannotSend: ['refresh'],
    // Each has its own test below.
    cannotProvoke: ['cannot connect', 'certificate not trusted'],
    async start() {
      const pnm = registered(await startPnmStandIn({ http1 }));
      const clock = new FakeClock();
      const log = new RecordedLog();
      const options = { url: pnm.url, endpoint: pnm.endpoint, callerFields: true };
      const provider = create(options, { clock, log, name: 'pnm' });
      return {
        log,
        provider,
        targets: TARGETS,
        provoke({ status, reason }) {
          const code = /^code (\d+)$/.exec(reason)?.[1];
          if (code !== undefined)
            pnm.next({ status: 200, body: JSON.stringify({ code: Number(code), response: CALLS }) });
          else if (status !== undefined) pnm.next({ status, body: `<html>${CALLS}</html>` });
          else if (reason === 'connection lost') pnm.next('reset');
          else if (reason === 'unreadable answer') pnm.next({ status: 200, body: CALLS.repeat(3_000) });
          else if (reason === 'no answer in time') {
            pnm.next('hang');
            void pnm.received(1).then(() => untilLate(clock, pnm));
          } else return false;
          return true;
        },
        hang() {
          pnm.next('hang');
          return true;
        },
        received: (count) => pnm.received(count),
        bodies: () => pnm.pushes.map(({ json }) => json),
        async stop() {
          await provider.close();
          expect(clock.pending()).toBe(0);
          await pnm.close();
        },
      };
    },
  });
});

describe('pnm', () => {
  let pnm: PnmStandIn;
  let clock: FakeClock;
  let provider: PushProvider;
  const more: { close(): unknown }[] = [];

  const make = (options: object = {}) => {
    const made = create(
      { url: pnm.url, endpoint: pnm.endpoint, ...options },
      { clock, log: new RecordedLog(), name: 'pnm' },
    );
    more.push(made);
    return made;
  };
  const request = (purpose: PushPurpose, targets: object = TARGETS, texts = {}) => {
    const made = requestFor(provider, purpose, targets, texts);
    if (!made) throw new Error('no target');
    return made;
  };
  const send = (purpose: PushPurpose, targets: object = TARGETS, by = provider) =>
    by.send(request(purpose, targets), never);

  beforeEach(async () => {
    pnm = registered(await startPnmStandIn());
    clock = new FakeClock();
    provider = make();
  });
  afterEach(async () => {
    for (const one of more.splice(0)) await one.close();
    await pnm.close();
  });

  it('sends each purpose by its verb, to the token of its pair', async () => {
    for (const purpose of ['call', 'cancel', 'notice'] as const) await send(purpose);
    for (const word of ['cancelled', 'gave-up'] as const) {
      await provider.send({ ...request('cancel'), word } as CancelPush, never);
    }
    const other = { appId: APP_OTHER, token: OTHER };
    expect(pnm.pushes).toMatchObject([
      { verb: 'NotifyIncomingCall', appId: APP_CALLS, token: CALLS, selector: SELECTOR, id: 'call-1' },
      { verb: 'NotifyIncomingCallAnsweredElsewhere', ...other, selector: SELECTOR, id: 'call-1' },
      { verb: 'NotifyGenericTextMessage', ...other, selector: undefined, message: 'Your account will expire soon.' },
      { verb: 'NotifyIncomingCallMissed', ...other, selector: SELECTOR, id: 'call-1' },
      { verb: 'NotifyIncomingCallMissed', ...other, selector: SELECTOR, id: 'call-1' },
    ]);
    expect(pnm.complaints).toEqual([]);
  });

  it('has nothing to ask an app silently with', () => {
    expect(provider.targetFor('refresh', TARGETS)).toBeUndefined();
  });

  it('puts the title before the text, for there is one text only', async () => {
    const notice = { ...request('notice'), title: 'Example' };
    await provider.send(notice, never);
    expect(pnm.pushes[0]?.message).toBe('Example: Your account will expire soon.');
  });

  it('names the caller only where both settings say so', async () => {
    const call = request('call', TARGETS, { name: 'Zoë "Z" Nováková' });
    await provider.send(call, never);
    expect(pnm.pushes[0]?.json).not.toMatch(/Zoë|420123456789/);
    await make({ callerFields: true }).send(call, never);
    expect(JSON.parse(pnm.pushes[1]?.json ?? '')).toMatchObject({
      UserDisplayName: 'Zoë "Z" Nováková',
      UserName: '+420123456789',
    });
  });

  it('cannot ring a device that told no selector, but can tell it something', async () => {
    const targets = { other: { provider: 'pnm', app: APP_OTHER, token: new Token(OTHER) } };
    expect(await send('call', targets)).toEqual({ kind: 'failed', reason: 'no selector' });
    expect(await send('notice', targets)).toEqual({ kind: 'accepted' });
  });

  it('a token that is gone is dead; an app id nobody knows is our mistake', async () => {
    pnm.unregister(APP_CALLS, CALLS);
    expect(await send('call')).toEqual({ kind: 'tokenDead', reason: 'code 404' });
    expect(await send('call', { call: target('com.example.other', CALLS) })).toMatchObject({
      kind: 'misconfigured',
      reason: 'code 400',
      scope: 'device',
    });
  });

  it('reads the code also where it is a text, and believes none that is not there', async () => {
    pnm.next({ status: 200, body: '{"code":"404"}' });
    expect(await send('call')).toEqual({ kind: 'tokenDead', reason: 'code 404' });
    for (const body of ['', 'OK', '[]', 'null', '{"code":404.5}', '{"code":"404 gone"}', '{"Code":404}']) {
      pnm.next({ status: 200, body });
      expect(await send('call'), body).toEqual({ kind: 'failed', reason: 'status 200' });
    }
  });

  it('waits as long as the service says', async () => {
    pnm.next({ status: 503, headers: { 'retry-after': '7' } });
    expect(await send('call')).toMatchObject({ kind: 'retryLater', afterMs: 7 * SECOND });
  });

  it('hands a token to nobody by a redirect', async () => {
    pnm.next({ status: 308, headers: { location: `https://127.0.0.1:${pnm.endpoint.port}/elsewhere` } });
    expect(await send('call')).toMatchObject({ kind: 'misconfigured', reason: 'status 308' });
    expect(pnm.requests).toBe(1);
  });

  describe('the connection', () => {
    it('is kept', async () => {
      for (let i = 0; i < 10; i++) expect(await send('call')).toMatchObject({ kind: 'accepted' });
      expect(pnm.connectionsEver).toBe(1);
    });

    it('is there before the first push, when the provider was warmed, and renewed when nobody used it', async () => {
      const until = async (connectionsEver: number) => {
        while (pnm.connectionsEver < connectionsEver) await new Promise((done) => setImmediate(done));
      };
      provider.warm?.();
      await until(2);
      await send('call');
      expect(pnm.connectionsEver).toBe(2);
      await clock.advance(60 * SECOND);
      provider.warm?.();
      await until(4);
    });

    it('loses no answer when the service says goodbye gracefully', async () => {
      const one = make({ connections: 1 });
      const gate = Promise.withResolvers<void>();
      pnm.next({ until: gate.promise }, 20);
      const pushes = Array.from({ length: 20 }, () => send('call', TARGETS, one));
      await pnm.received(20);
      pnm.goAway();
      expect(['accepted', 'retryLater']).toContain((await send('call', TARGETS, one)).kind);
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      gate.resolve();
      expect((await Promise.all(pushes)).map(({ kind }) => kind)).toEqual(Array(20).fill('accepted'));
    });

    it('that has gone silent is replaced after the first push it swallowed', async () => {
      const one = make({ connections: 1 });
      pnm.next('hang');
      const hung = send('call', TARGETS, one);
      await pnm.received(1);
      await untilLate(clock, pnm);
      expect(await hung).toEqual({ kind: 'retryLater', reason: 'no answer in time', unsure: true });
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      expect(pnm.connectionsEver).toBe(2);
    });

    it('whose network went away while it was idle: a PING finds out within 1.5 s, the next push goes on another', async () => {
      const proxy = await TcpProxy.start(pnm.endpoint.port);
      const one = make({ endpoint: { ...pnm.endpoint, port: proxy.port }, connections: 1 });
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      proxy.stall();
      const swallowed = send('call', TARGETS, one);
      await settle();
      await clock.advance(500);
      await clock.advance(999);
      proxy.stallNew = false;
      await clock.advance(1);
      expect(await swallowed).toMatchObject({ kind: 'retryLater', reason: 'connection lost' });
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      await one.close();
      await proxy.close();
    });

    it('over HTTP/1.1, that died while they were idle: a call finds out within a second, its next try goes on a new one', async () => {
      const there = registered(await startPnmStandIn({ http1: true }));
      more.push(there);
      const proxy = await TcpProxy.start(there.endpoint.port);
      const one = make({ endpoint: { ...there.endpoint, port: proxy.port } });
      // Three connections are kept, and a firewall forgets them all.
      await Promise.all([1, 2, 3].map(() => send('call', TARGETS, one)));
      const before = there.requests;
      proxy.stall();
      proxy.stallNew = false;
      const swallowed = send('call', TARGETS, one);
      await settle(5);
      await clock.advance(999);
      expect(await Promise.race([swallowed, settle(5).then(() => 'waits')])).toBe('waits');
      await clock.advance(1);
      const now = await Promise.race([swallowed, settle(5).then(() => 'waits')]);
      expect(now).toEqual({ kind: 'retryLater', reason: 'connection lost', unsure: true });
      // All three are given up: a second dead one would cost the call another second.
      expect(await send('call', TARGETS, one)).toMatchObject({ kind: 'accepted' });
      expect(there.requests).toBe(before + 1);
      await one.close();
      await proxy.close();
    });

    it('over HTTP/1.1: a new connection, and a push that nobody waits for, have the whole time', async () => {
      const there = registered(await startPnmStandIn({ http1: true }));
      more.push(there);
      const one = make({ endpoint: there.endpoint });
      for (const purpose of ['call', 'cancel'] as const) {
        // The call goes out on a new connection, the closing word on the one that is kept.
        if (purpose === 'cancel') await send('call', TARGETS, one);
        const seen = there.requests;
        there.next('hang');
        const slow = send(purpose, TARGETS, one);
        await there.received(seen + 1);
        await clock.advance(4_999);
        expect(await Promise.race([slow, settle(5).then(() => 'waits')])).toBe('waits');
        await clock.advance(1);
        expect(await slow).toMatchObject({ reason: 'no answer in time' });
      }
      await one.close();
    });

    it.each([
      ['over HTTP/2', false],
      ['over HTTP/1.1', true],
    ])('that cannot be made, or leads to a stranger, is said so %s', async (_, http1) => {
      const there = await startPnmStandIn({ http1 });
      more.push(there);
      const nowhere = make({ endpoint: { ...there.endpoint, port: await unusedPort() } });
      expect(await send('call', TARGETS, nowhere)).toEqual({ kind: 'retryLater', reason: 'cannot connect' });
      const stranger = make({ endpoint: { ...there.endpoint, ca: selfSignedCertificate().cert } });
      expect(await send('call', TARGETS, stranger)).toMatchObject({
        kind: 'misconfigured',
        reason: 'certificate not trusted',
        hint: expect.stringContaining('pnm.cloudsoftphone.com'),
      });
    });
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address ? address.port : 1;
}
