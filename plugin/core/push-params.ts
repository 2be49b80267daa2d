/**
 * The push parameters of a Contact URI: RFC 8599 (`pn-provider`, `pn-param`, `pn-prid`) with Linphone's pairs, and two older
 * forms (`pn-type`/`app-id`/`pn-tok`, mod_apn's `pn-voip-tok`/`pn-im-tok`). Decides which token wakes for calls and which
 * one may carry everything else. Does not know which providers or apps are configured.
 */
import type { Target, Targets } from './binding.ts';
import { BoundedMap } from './bounded-map.ts';
import { detached } from './detached.ts';
import { paramOf, paramsTextOf, splitUri, type UriParam, unescapeUri } from './sip-contact.ts';
import { Token } from './token.ts';

export type PushParams =
  | {
      readonly kind: 'push';
      readonly targets: Targets /** The parameters it was read from, lower case. */;
      readonly paramNames: readonly string[];
    }
  /** `pn-provider` without `pn-prid` asks what the registrar supports, or says "push me no more" (RFC 8599 §4.1.2, §4.1.5). */
  | { readonly kind: 'query'; readonly provider?: string }
  | { readonly kind: 'none' }
  /** It asks for push in a form that cannot be read. `reason` never holds a value from the URI. */
  | { readonly kind: 'unreadable'; readonly reason: string };

type Service = 'voip' | 'remote';

/** A name as clients write it → our provider. The wrong ones are common enough that Flexisip warns of them. */
const PROVIDERS: Readonly<Record<string, { provider: string; sandbox?: true }>> = {
  apns: { provider: 'apns' },
  apple: { provider: 'apns' },
  'apns.dev': { provider: 'apns', sandbox: true },
  fcm: { provider: 'fcm' },
  firebase: { provider: 'fcm' },
  android: { provider: 'fcm' },
  google: { provider: 'fcm' },
  webpush: { provider: 'webpush' },
};

const PROVIDER = /^[a-z0-9._-]{1,32}$/;
const TOKEN = /^[\x21-\x7e]{1,2048}$/;
/** `<p256dh>.<auth>`, base64url: 65 and 16 bytes (RFC 8291). */
const SUBSCRIPTION_KEYS = /^[A-Za-z0-9_-]{87}\.[A-Za-z0-9_-]{22}$/;
const APP = /^[\x21-\x7e]{1,256}$/;
const SERVICE = /:(?:voip|remote)$/i;
/** Parameters that only Linphone's library writes, beside those of RFC 8599 or of the form before it. */
const LIBLINPHONE = [
  'pn-silent',
  'pn-timeout',
  'pn-msg-str',
  'pn-call-str',
  'pn-groupchat-str',
  'pn-msg-snd',
  'pn-call-snd',
  'pn-call-remote-push-interval',
];
/** Two tokens in one parameter, each with the service it is for: Linphone's form too. */
const LIBLINPHONE_PAIR = /^[^&]+:(?:voip|remote)&[^&]*$/i;

/**
 * What was read lately, by the text behind the address: a phone that stays registered says the same every few minutes, each sweep finds it again, and
 * one that was asleep comes back with the same tokens at another address. Bounded in number and in characters, because Contacts are strangers' input.
 */
const lately = new BoundedMap<string, PushParams>({ most: 2_000, mostBytes: 1_000_000, bytesOf: (key) => key.length });

/** What this Contact URI asks for. `app`: the one of a Contact that names none. Never throws. */
export function pushParamsOf(uri: string, app?: string): PushParams {
  const text = paramsTextOf(uri);
  if (text === undefined) return { kind: 'unreadable', reason: 'not a SIP URI, or too long' };
  const keyOf = (params: string) => (app === undefined ? params : `${app}\n${params}`);
  const known = lately.get(keyOf(text));
  if (known) return known;
  // Its tokens are cut out of it.
  const kept = detached(text);
  const found = readPushParams(kept, app);
  lately.set(keyOf(kept), found);
  return found;
}

function readPushParams(text: string, app: string | undefined): PushParams {
  const params = new Map<string, string>();
  for (const param of text.split(';').slice(1).map(paramOf)) {
    const name = nameOf(param);
    // A parameter given twice: the first counts, as in pjsip and sofia, so that the PBX and we see the same device.
    if (isPushName(name) && !params.has(name)) params.set(name, unescapeUri(param.value ?? ''));
  }
  const reader = new Reader(params, app);
  try {
    return marked(modern(reader) ?? modApn(reader) ?? legacy(reader) ?? leftOver(params), params);
  } catch (error) {
    if (error instanceof Unreadable) return { kind: 'unreadable', reason: error.message };
    throw error;
  }
}

/** With the library that wrote the Contact, where it is known by its own parameters. */
function marked(found: PushParams, params: ReadonlyMap<string, string>): PushParams {
  const isLinphone = LIBLINPHONE.some((name) => params.has(name)) || LIBLINPHONE_PAIR.test(params.get('pn-prid') ?? '');
  if (found.kind !== 'push' || !isLinphone) return found;
  const { call, other } = found.targets;
  const of = (target: Target): Target => ({ ...target, library: 'liblinphone' });
  return { ...found, targets: targets(call && of(call), other && of(other)) };
}

/** The SIP library that wrote this Contact URI, where its push parameters show which. */
export function libraryOf(uri: string): Target['library'] {
  const found = pushParamsOf(uri);
  return found.kind === 'push' ? (found.targets.call ?? found.targets.other)?.library : undefined;
}

/** The URI without any `pn-*` and without `app-id`; nothing else changes. Text that is no SIP URI comes back as it was. */
export function stripPushParams(uri: string): string {
  const pieces = splitUri(uri);
  if (!pieces) return uri;
  return [pieces.head, ...pieces.segments.filter((s) => !isPushName(nameOf(paramOf(s))))].join(';');
}

function nameOf(param: UriParam): string {
  // Names may be escaped too; pjsip would store `%70n-prid` as `pn-prid`.
  return unescapeUri(param.name).trim().toLowerCase();
}

function isPushName(name: string): boolean {
  return name.startsWith('pn-') || name === 'app-id';
}

class Unreadable extends Error {}

/** Hands out parameters and remembers which ones were used. */
class Reader {
  readonly used: string[] = [];
  readonly #params: ReadonlyMap<string, string>;
  readonly #app: string | undefined;

  constructor(params: ReadonlyMap<string, string>, app: string | undefined) {
    this.#params = params;
    this.#app = app;
  }

  has(name: string): boolean {
    return this.#params.has(name);
  }

  /** Undefined when absent or empty. */
  text(name: string): string | undefined {
    const value = this.#params.get(name);
    if (value) this.used.push(name);
    return value || undefined;
  }

  /** The same of a parameter that names the app. */
  app(name: string): string | undefined {
    return this.text(name) ?? this.#app;
  }

  push(targets: Targets): PushParams {
    return { kind: 'push', targets, paramNames: this.used };
  }
}

/** RFC 8599. */
function modern(reader: Reader): PushParams | undefined {
  if (!reader.has('pn-provider')) return undefined;
  const said = reader.text('pn-provider')?.toLowerCase();
  const prid = reader.text('pn-prid');
  if (said !== undefined && !PROVIDER.test(said)) throw new Unreadable('pn-provider has forbidden characters');
  const { provider, sandbox } = providerOf(said ?? '');
  if (prid === undefined) return { kind: 'query', ...(said === undefined ? {} : { provider }) };
  if (said === undefined) throw new Unreadable('pn-prid without pn-provider');
  const param = provider === 'webpush' ? reader.text('pn-param') : reader.app('pn-param');
  if (provider === 'apns') return reader.push(appleTargets(param, 'pn-param', prid, 'pn-prid', sandbox));
  if (provider === 'webpush') {
    // Without the keys of the subscription a push carries no text; RFC 8599 has no place for them, so they stand here.
    const keys = param !== undefined && SUBSCRIPTION_KEYS.test(param) ? `#${param}` : '';
    const token = tokenOf(`${prid.replace(/#.*$/, '')}${keys}`, 'pn-prid');
    return reader.push(one({ provider, app: originOf(prid), token }));
  }
  // FCM names the project here; services of which we know nothing may need no app at all.
  if (provider === 'fcm' && param === undefined) throw new Unreadable('pn-param is missing');
  const app = param === undefined ? '' : appOf(param, 'pn-param');
  return reader.push(one({ provider, app, token: tokenOf(prid, 'pn-prid') }));
}

/** mod_apn's own: two tokens, no pairs. */
function modApn(reader: Reader): PushParams | undefined {
  const voip = reader.text('pn-voip-tok');
  const im = reader.text('pn-im-tok');
  if (voip === undefined && im === undefined) return undefined;
  const platform = reader.text('pn-platform')?.toLowerCase() ?? 'ios';
  const { provider, sandbox } = providerOf(platform === 'ios' ? 'apns' : platform);
  if (!PROVIDER.test(provider)) throw new Unreadable('pn-platform has forbidden characters');
  const appId = reader.app('app-id');
  if (appId === undefined) throw new Unreadable('app-id is missing');
  if (provider !== 'apns') {
    const token = tokenOf(voip ?? im ?? '', voip === undefined ? 'pn-im-tok' : 'pn-voip-tok');
    return reader.push(one({ provider, app: appOf(appId, 'app-id'), token }));
  }
  const { bundle, dev } = appleAppId(appId);
  const app = appOf(splitService(bundle).rest, 'app-id');
  const target = (token: string | undefined, name: string): Target | undefined =>
    token === undefined ? undefined : apple(app, tokenOf(token, name), sandbox || dev);
  return reader.push(targets(target(voip, 'pn-voip-tok'), target(im, 'pn-im-tok')));
}

/** Linphone before RFC 8599. */
function legacy(reader: Reader): PushParams | undefined {
  if (!reader.has('pn-type') && !reader.has('pn-tok')) return undefined;
  const type = reader.text('pn-type')?.toLowerCase();
  const tok = reader.text('pn-tok');
  if (type !== undefined && !PROVIDER.test(type)) throw new Unreadable('pn-type has forbidden characters');
  if (tok === undefined)
    return { kind: 'query', ...(type === undefined ? {} : { provider: providerOf(type).provider }) };
  if (type === undefined) throw new Unreadable('pn-tok without pn-type');
  const appId = reader.app('app-id');
  if (appId === undefined) throw new Unreadable('app-id is missing');
  const { provider, sandbox } = providerOf(type);
  if (provider === 'apns') {
    const { bundle, dev } = appleAppId(appId);
    return reader.push(appleTargets(bundle, 'app-id', tok, 'pn-tok', sandbox || dev));
  }
  return reader.push(one({ provider, app: appOf(appId, 'app-id'), token: tokenOf(tok, 'pn-tok') }));
}

function leftOver(params: ReadonlyMap<string, string>): PushParams {
  if (params.get('pn-prid')) throw new Unreadable('pn-prid without pn-provider');
  return { kind: 'none' };
}

function providerOf(said: string): { provider: string; sandbox?: true } {
  return Object.hasOwn(PROVIDERS, said) ? (PROVIDERS[said] ?? { provider: said }) : { provider: said };
}

/**
 * Apple has one token for VoIP pushes and one for everything else. Linphone sends both in one parameter:
 * `pn-param=TEAM.bundle.voip&remote; pn-prid=<token>:voip&<token>:remote`, in any order, and for a moment after its start only
 * the one it has. Read as far as it goes: a token that names its service counts, whatever the list of services says. A VoIP
 * token must never be used for anything but a call (iOS ends apps for it), so a token whose service is not clear is refused, not
 * guessed.
 */
function appleTargets(
  param: string | undefined,
  paramName: string,
  prid: string,
  pridName: string,
  sandbox?: boolean,
): Targets {
  if (param === undefined) throw new Unreadable(`${paramName} is missing`);
  const [first = '', ...moreServices] = param.split('&');
  const { rest: app, service: listed } = splitService(first);
  const tokens = readableTokens(prid, pridName);
  const [only] = tokens;
  if (only && tokens.length === 1) {
    const isOneListed = moreServices.every((s) => s === '');
    if (only.service === undefined && !isOneListed) {
      throw new Unreadable(`${pridName} does not say which service its token is for`);
    }
    if (only.service !== undefined && listed !== undefined && isOneListed && only.service !== listed) {
      throw new Unreadable(`services in ${paramName} and ${pridName} differ`);
    }
    tokens[0] = { token: only.token, service: only.service ?? listed };
  }
  const bundle = appOf(app, paramName);
  const target = (service: Service): Target | undefined => {
    const found = tokens.filter((t) => (t.service ?? 'remote') === service);
    if (found.length > 1) throw new Unreadable(`${pridName} names one service twice`);
    return found[0] && apple(bundle, tokenOf(found[0].token, pridName), sandbox);
  };
  return targets(target('voip'), target('remote'));
}

/** Those that are there and of a service we know; at least one. */
function readableTokens(prid: string, name: string): SplitToken[] {
  const pieces = prid.split('&').filter((text) => text !== '' && !text.startsWith(':'));
  if (pieces.length === 1) return [splitToken(pieces[0] as string, name)];
  const known = pieces
    .filter((text) => !text.includes(':') || SERVICE.test(text))
    .map((text) => splitToken(text, name));
  if (known.length === 0) throw new Unreadable(`${name} is empty, too long or has forbidden characters`);
  return known;
}

/** `TEAM.bundle.voip` → `TEAM.bundle` and `voip`. */
function splitService(app: string): { rest: string; service: Service | undefined } {
  const found = /^(.+)\.(voip|remote)$/i.exec(app);
  if (!found?.[1] || !found[2]) return { rest: app, service: undefined };
  return { rest: found[1], service: found[2].toLowerCase() as Service };
}

function serviceOf(text: string, name: string): Service {
  const service = text.toLowerCase();
  if (service !== 'voip' && service !== 'remote') throw new Unreadable(`${name} names an unknown service`);
  return service;
}

interface SplitToken {
  readonly token: string;
  readonly service: Service | undefined;
}

function splitToken(text: string, name: string): SplitToken {
  const colon = text.lastIndexOf(':');
  if (colon === -1) return { token: text, service: undefined };
  return { token: text.slice(0, colon), service: serviceOf(text.slice(colon + 1), name) };
}

/** `bundle(.voip)(.prod|.dev)` → without the last part. */
function appleAppId(appId: string): { bundle: string; dev: boolean } {
  const found = /^(.+)\.(prod|dev)$/i.exec(appId);
  return { bundle: found?.[1] ?? appId, dev: found?.[2]?.toLowerCase() === 'dev' };
}

function apple(app: string, token: Token, sandbox: boolean | undefined): Target {
  return { provider: 'apns', app, ...(sandbox ? { environment: 'sandbox' as const } : {}), token };
}

function targets(call: Target | undefined, other: Target | undefined): Targets {
  return { ...(call ? { call } : {}), ...(other ? { other } : {}) };
}

/** Services with one token for everything. */
function one(target: Target): Targets {
  return { call: target, other: target };
}

function tokenOf(text: string, name: string): Token {
  if (!TOKEN.test(text)) throw new Unreadable(`${name} is empty, too long or has forbidden characters`);
  return new Token(text);
}

function appOf(text: string, name: string): string {
  if (!APP.test(text)) throw new Unreadable(`${name} is empty, too long or has forbidden characters`);
  return text;
}

/** Web push: the endpoint is the token, its origin names the service. Whether we may post there is for the provider. */
function originOf(endpoint: string): string {
  const url = URL.parse(endpoint);
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.username !== '' || url.password !== '')
    throw new Unreadable('pn-prid is not the URL of a push endpoint');
  return url.origin;
}
