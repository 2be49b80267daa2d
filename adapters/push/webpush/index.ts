/**
 * Web push (RFC 8030, encrypted by RFC 8291, signed by RFC 8292), which is also UnifiedPush: `pn-provider=webpush`. The only
 * file that knows the library web-push, of which it takes encryption and signature; the exchange is ours, because endpoints
 * are written by strangers.
 */
import webPush from 'web-push';
import type { Target, Targets } from '../../../plugin/core/binding.ts';
import { HOUR } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { PushProvider, PushPurpose } from '../../../plugin/ports/push-provider.ts';
import { HttpsClient } from '../../shared/https-client.ts';
import { httpProvider } from '../http-provider.ts';
import { WatchedFile } from '../watched-file.ts';
import { checkEndpoint, NOT_PUBLIC, publicLookup } from './address.ts';
import { ConfigError, isKeyText, optionsSchema, readVapidKeys } from './options.ts';
import { outcomeOf } from './outcome.ts';
import { buildMessage } from './payload.ts';

export { check } from './check.ts';
export { ConfigError, optionsSchema } from './options.ts';

const MAX_IN_FLIGHT = 200;
/** Services whose connections are kept. Who goes first was not used for longest. */
const MOST_SERVICES = 100;
/** "exp … MUST NOT be more than 24 hours" (RFC 8292 §2); one signature serves for a while, or each push would cost one. */
const SIGN_EVERY = HOUR;

/** A new key for `push.webpush.privateKey`, and the public one that apps subscribe with. */
export function generateKeys(): { privateKey: string; publicKey: string } {
  return webPush.generateVAPIDKeys();
}

/** What browsers subscribe with: the public part of the key in the options. Throws `ConfigError` when there is none to be read. */
export function publicKeyOf(options: unknown, setting: string): string {
  return readVapidKeys(optionsSchema.parse(options).privateKey, setting).publicKey;
}

interface Service {
  readonly client: HttpsClient;
  authorization: string;
  signedAtMs: number;
}

/** Throws `ConfigError` when the key cannot be used: better at start than at the first call. */
export function create(input: unknown, { clock, log, name, proxy }: AdapterDeps): PushProvider {
  const options = optionsSchema.parse(input);
  const setting = `push.${name}.privateKey`;
  const file = isKeyText(options.privateKey) ? undefined : new WatchedFile(options.privateKey, clock);
  const services = new Map<string, Service>();
  const lookup = publicLookup();
  let keys = readVapidKeys(options.privateKey, setting);

  /** Takes up a key that was replaced. A bad one changes nothing: the old one may still be good. */
  function refresh(): void {
    if (!file?.changed()) return;
    try {
      keys = readVapidKeys(options.privateKey, setting);
      for (const service of services.values()) service.authorization = '';
      log.info({ provider: name, file: file.path }, 'vapid key taken up');
    } catch (error) {
      const problem = error instanceof ConfigError ? error.message : 'unknown error';
      log.error({ provider: name, file: file.path, problem }, 'vapid key not usable, old kept');
    }
  }

  function serviceOf(url: URL, named: boolean): Service {
    const { origin } = url;
    let service = services.get(origin);
    services.delete(origin);
    if (!service) {
      const client = new HttpsClient({
        origin,
        connectTo: options.endpoint,
        ...(named ? {} : { lookup }),
        connections: 1,
        sockets: 8,
        requestTimeoutMs: options.requestTimeoutMs,
        clock,
        proxy,
      });
      service = { client, authorization: '', signedAtMs: 0 };
      makeRoom();
    }
    services.set(origin, service);
    const nowMs = clock.monotonicMs();
    if (service.authorization === '' || nowMs - service.signedAtMs >= SIGN_EVERY) {
      const { publicKey, privateKey } = keys;
      const signed = webPush.getVapidHeaders(origin, options.subject, publicKey, privateKey, 'aes128gcm');
      service.authorization = signed.Authorization;
      service.signedAtMs = nowMs;
    }
    return service;
  }

  function makeRoom(): void {
    for (const [origin, { client }] of services) {
      if (services.size < MOST_SERVICES) return;
      if (client.inFlight > 0) continue;
      client.close();
      services.delete(origin);
    }
  }

  return httpProvider({
    name,
    clock,
    maxInFlight: MAX_IN_FLIGHT,
    // Which services are asked is known from the phones only.
    proxy: proxy?.name,
    outcomeOf,
    acceptedStatus: 201,
    reasonsIn: () => [],
    reasonOf: (noAnswer, code) => (code === NOT_PUBLIC ? 'endpoint not allowed' : noAnswer),
    clients: () => [...services.values()].map(({ client }) => client),
    warms: false,
    targetFor(purpose: PushPurpose, { call, other }: Targets): Target | undefined {
      const ours = (target: Target | undefined) => (target?.provider === name ? target : undefined);
      return purpose === 'call' ? (ours(call) ?? ours(other)) : ours(other);
    },
    request(push) {
      const { endpoint, p256dh, auth } = readToken(push.target.token.reveal());
      const allowed = checkEndpoint(endpoint, options.allowHosts);
      if (!allowed.ok) return outcomeOf({ reasons: ['endpoint not allowed'] });
      const message = buildMessage(push, clock.now());
      if (!message) return { kind: 'failed', reason: 'payload too large' };
      let body: Buffer;
      try {
        body = p256dh && auth ? webPush.encrypt(p256dh, auth, message.text, 'aes128gcm').cipherText : Buffer.alloc(0);
      } catch {
        // The error's text is left out: it may quote the key.
        return { kind: 'failed', reason: 'the keys of the subscription are none' };
      }
      refresh();
      const { client, authorization } = serviceOf(allowed.url, allowed.named);
      const headers = {
        authorization,
        ttl: String(message.ttl),
        urgency: message.urgency,
        ...(message.topic === undefined ? {} : { topic: message.topic }),
        ...(body.length > 0 && { 'content-type': 'application/octet-stream', 'content-encoding': 'aes128gcm' }),
      };
      return { client, path: `${allowed.url.pathname}${allowed.url.search}`, headers, body };
    },
  });
}

/**
 * `https://push.example.org/abc#<p256dh>.<auth>`: the keys of the subscription stand behind the endpoint, in the part of a URL
 * that is never sent. Without them the push carries no text, which wakes the app all the same.
 */
function readToken(token: string): { endpoint: string; p256dh?: string; auth?: string } {
  const hash = token.indexOf('#');
  if (hash < 0) return { endpoint: token };
  const [p256dh = '', auth = ''] = token.slice(hash + 1).split('.');
  return { endpoint: token.slice(0, hash), p256dh, auth };
}
