/**
 * Apple Push Notification service: chooses app, environment and connection, makes one exchange, gives its outcome.
 * Retry, deadlines and limits in flight lie outside (`plugin/runtime/push/delivery.ts`).
 */

import type { Target, Targets } from '../../../plugin/core/binding.ts';
import { BoundedMap, upTo } from '../../../plugin/core/bounded-map.ts';
import { between, DAY, SECOND } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';
import type {
  GiveUp,
  PushOutcome,
  PushProvider,
  PushPurpose,
  PushRequest,
} from '../../../plugin/ports/push-provider.ts';
import { proxyFor } from '../../shared/proxy.ts';
import { BadTokens } from '../bad-tokens.ts';
import { type Carrier, type PayloadProfile, readProfile } from '../payload-profile.ts';
import { printable } from '../verdicts.ts';
import { WatchedFile } from '../watched-file.ts';
import { type ApnsConnection, connect } from './connection.ts';
import {
  type ApnsApp,
  type ApnsOptions,
  ConfigError,
  type Credential,
  filesOf,
  optionsSchema,
  readCredential,
  SERVERS,
} from './options.ts';
import { type ApnsAnswer, outcomeOf } from './outcome.ts';
import { type ApnsMessage, buildMessage, LIMIT_BYTES } from './payload.ts';

export { check } from './check.ts';
export { ConfigError, optionsSchema } from './options.ts';

type Environment = 'production' | 'sandbox';

/** 64 hex digits today; Apple says not to rely on the length. It goes into the URL unchecked, so nothing else may pass. */
const DEVICE_TOKEN = /^[0-9a-fA-F]{64,200}$/;

/** More streams than this per connection run into Apple's limit of 1000 while its count lags behind ours. */
const IN_FLIGHT_PER_CONNECTION = 500;

/** A signature refused as too old again after this: not the same batch, but a clock that is wrong. */
const STILL_EXPIRED_AFTER = 2 * SECOND;

/** How long before a certificate ends each start, and each change of its file, logs a warning; in ms. */
const WARNED_BEFORE_END = 30 * DAY;

/** Tokens whose environment was found out by trying. The oldest goes first. */
const MAX_REMEMBERED = 10_000;

/** Throws `ConfigError` when a key cannot be used: better at start than at the first call. */
export function create(input: unknown, { clock, log, name, proxy }: AdapterDeps): PushProvider {
  const options = optionsSchema.parse(input);
  const keys = readKeys(options, name, clock);
  const keyOfApp = new Map(options.apps.map((app) => [app, keys.get(keyOf(app))]));
  const textsOfApp = new Map(readProfiles(options, name).map(({ app, profile }) => [app, { ...app, profile }]));
  const foundOut = new BoundedMap<string, Environment>(upTo(MAX_REMEMBERED));
  const badTokens = new BadTokens();
  const mismatches = new Map<ApnsApp, number>();
  let closed = false;
  for (const key of keys.values()) warnOfEnd(key);

  function targetFor(purpose: PushPurpose, targets: Targets): Target | undefined {
    const ours = (target: Target | undefined) => (target?.provider === name ? target : undefined);
    return purpose === 'call' ? (ours(targets.call) ?? ours(targets.other)) : ours(targets.other);
  }

  /** What it cannot send it says at once; no async function, since what a push allocates is a good part of what it costs. */
  function send(request: PushRequest, signal: GiveUp): Promise<PushOutcome> {
    if (closed) return Promise.resolve({ kind: 'failed', reason: 'closed' });
    if (signal.aborted) return Promise.resolve(outcomeOf({ reason: 'aborted' }));
    const { target } = request;
    const app = findApp(options.apps, target.app);
    if (!app) {
      const hint = `no app of push.${name}.apps has the bundleId (and teamId) of "${printable(target.app)}"`;
      return Promise.resolve({ kind: 'misconfigured', reason: 'unknown app', hint, scope: 'device' });
    }
    // Not `tokenDead`: what is no token at all was garbled on its way to us, and says nothing about the app.
    const token = target.token.reveal();
    if (!DEVICE_TOKEN.test(token)) return Promise.resolve({ kind: 'failed', reason: 'token is not hex' });
    const texts = textsOfApp.get(app);
    const key = keyOfApp.get(app);
    if (!texts || !key) return Promise.resolve({ kind: 'failed', reason: 'closed' });
    const message = buildMessage(request, texts);
    if (!message) return Promise.resolve({ kind: 'failed', reason: 'payload too large' });

    refresh(key);
    const { first, other } = environments(app, target);
    return connectionOf(key, first)
      .exchange(message, token, signal)
      .then((answer) => {
        const outcome = judge(key, answer);
        if (outcome.kind === 'accepted')
          badTokens.accepted(app.bundleId, target.token.fingerprint, clock.monotonicMs());
        if (outcome.kind !== 'failed' || outcome.reason !== 'BadDeviceToken' || closed) return outcome;
        if (!other) return judgeBadToken(app, target.token.fingerprint, request.aor, outcome);
        return askOther({ key, app, other, message, request, outcome }, signal);
      });
  }

  async function askOther(refused: Refused, signal: GiveUp): Promise<PushOutcome> {
    const { key, app, other, message, request, outcome } = refused;
    const { token } = request.target;
    const second = judge(key, await connectionOf(key, other).exchange(message, token.reveal(), signal));
    if (second.kind === 'accepted') badTokens.accepted(app.bundleId, token.fingerprint, clock.monotonicMs());
    if (second.kind === 'accepted' || second.kind === 'tokenDead') {
      remember(token.fingerprint, other, app);
      return second;
    }
    // Only an answer of both worlds that neither knows the token says anything about it.
    if (second.kind !== 'failed' || second.reason !== 'BadDeviceToken') return outcome;
    return judgeBadToken(app, token.fingerprint, request.aor, outcome);
  }

  /** "BadDeviceToken" alone is no verdict: a wrong environment gives it for every token there is. */
  function judgeBadToken(app: ApnsApp, fingerprint: string, account: string, outcome: PushOutcome): PushOutcome {
    switch (badTokens.failed(app.bundleId, fingerprint, account, clock.monotonicMs())) {
      case 'many': {
        const hint =
          app.environment === 'auto'
            ? 'Apple knows none of this app’s tokens, in neither environment: the phones report tokens of another app, or not their own'
            : `Apple knows none of this app’s tokens in ${app.environment}: they may be of the other environment; set environment: auto`;
        return { kind: 'misconfigured', reason: 'BadDeviceToken', hint, scope: 'device' };
      }
      case 'dead':
        return { kind: 'tokenDead', reason: 'BadDeviceToken' };
      case 'alone':
        return outcome;
    }
  }

  /** Which of Apple's two worlds to ask first, and whether the other may be tried. */
  function environments(app: ApnsApp, target: Target): { first: Environment; other?: Environment } {
    if (app.environment !== 'auto') return { first: app.environment };
    const first = foundOut.get(target.token.fingerprint) ?? target.environment ?? 'production';
    // A stand-in in place of one of the two must not send the other push to the real Apple.
    if (!options.endpoint !== !options.sandboxEndpoint) return { first };
    return { first, other: first === 'production' ? 'sandbox' : 'production' };
  }

  function remember(fingerprint: string, environment: Environment, app: ApnsApp): void {
    foundOut.set(fingerprint, environment);
    const count = (mismatches.get(app) ?? 0) + 1;
    mismatches.set(app, count);
    const fields = { provider: name, app: app.bundleId, environment, token: fingerprint, count };
    if (count === 1) log.warn(fields, 'token is of the other apns environment; the app reports the wrong one');
    else log.debug(fields, 'token is of the other apns environment');
  }

  /** What an answer means, and what it says of the key's signature. */
  function judge(key: Key, answer: ApnsAnswer): PushOutcome {
    const expired = answer.reason === 'ExpiredProviderToken';
    if (!expired) {
      // Only an answer of Apple's says that the signature was good; a lost connection says nothing.
      if (answer.status !== undefined) key.expiredSinceMs = undefined;
      return outcomeOf(answer);
    }
    const now = clock.monotonicMs();
    key.expiredSinceMs ??= now;
    if (now - key.expiredSinceMs < STILL_EXPIRED_AFTER) return outcomeOf(answer);
    const hint = 'Apple finds a signature made just now too old: set the clock of this machine (NTP)';
    return { kind: 'misconfigured', reason: 'ExpiredProviderToken', hint } as const;
  }

  function connectionOf(key: Key, at: Environment): ApnsConnection {
    let connection = key.connections.get(at);
    if (!connection) {
      connection = connect({
        credential: key.credential,
        production: at === 'production',
        connections: options.connections,
        requestTimeoutMs: options.requestTimeoutMs,
        clock,
        proxy,
        endpoint: at === 'production' ? options.endpoint : (options.sandboxEndpoint ?? options.endpoint),
      });
      key.connections.set(at, connection);
    }
    return connection;
  }

  /** Takes up a file that was replaced. A bad one changes nothing: the old one may still be good. */
  function refresh(key: Key): void {
    let file: string | undefined;
    // Each is asked: one that has changed says so once.
    for (const one of key.files) if (one.changed()) file ??= one.path;
    if (file === undefined) return;
    const fields = { provider: name, app: key.app.bundleId, file };
    try {
      const credential = readCredential(key.app, key.setting, clock.now());
      if (sameCredential(credential, key.credential)) return;
      key.credential = credential;
      for (const connection of key.connections.values()) connection.retire();
      key.connections.clear();
      warnOfEnd(key);
      log.info({ ...fields, ...(key.app.keyId && { keyId: key.app.keyId }) }, 'apns key file taken up');
    } catch (error) {
      const problem = error instanceof ConfigError ? error.message : 'unknown error';
      log.error({ ...fields, problem }, 'apns key file not usable, old key kept');
    }
  }

  /** A certificate lasts a year, and the day it ends no phone rings. */
  function warnOfEnd({ app, credential }: Key): void {
    if (credential.kind !== 'certificate' || between(clock.now(), credential.endsAt) > WARNED_BEFORE_END) return;
    const endsAt = new Date(credential.endsAt).toISOString();
    log.warn({ provider: name, app: app.bundleId, endsAt }, 'apns certificate ends soon, renew it');
  }

  const via = proxyFor(proxy, options.endpoint?.address ?? SERVERS.production, options.endpoint?.port ?? 443);

  return {
    name,
    ...(via && { proxy: via.name }),
    maxInFlight: IN_FLIGHT_PER_CONNECTION * options.connections,
    targetFor,
    send,
    warm() {
      if (closed) return;
      for (const key of keys.values()) {
        connectionOf(key, key.app.environment === 'sandbox' ? 'sandbox' : 'production');
        for (const connection of key.connections.values()) connection.warm();
      }
    },
    credentials: () =>
      [...keys.values()].map(({ app, credential }) =>
        credential.kind === 'certificate'
          ? { name: `certificate of ${app.bundleId}`, endsAt: credential.endsAt }
          : { name: `key ${credential.keyId} of team ${credential.teamId}` },
      ),
    async close() {
      closed = true;
      for (const key of keys.values()) for (const connection of key.connections.values()) connection.close();
      keys.clear();
      keyOfApp.clear();
    },
  };
}

/** A push whose token one of Apple's worlds does not know. */
interface Refused {
  readonly key: Key;
  readonly app: ApnsApp;
  readonly other: Environment;
  readonly message: ApnsMessage;
  readonly request: PushRequest;
  readonly outcome: PushOutcome;
}

/** One key of one team, or one certificate: apps that share it share its connections, because Apple counts signatures by key. */
interface Key {
  readonly app: ApnsApp;
  readonly setting: string;
  readonly files: readonly WatchedFile[];
  readonly connections: Map<Environment, ApnsConnection>;
  credential: Credential;
  expiredSinceMs: number | undefined;
}

function keyOf({ teamId, keyId, key, certificate, certificateKey }: ApnsApp): string {
  return JSON.stringify([teamId, keyId, key, certificate, certificateKey]);
}

function readKeys(options: ApnsOptions, name: string, clock: Clock): Map<string, Key> {
  const keys = new Map<string, Key>();
  const mistakes: string[] = [];
  for (const [index, app] of options.apps.entries()) {
    if (keys.has(keyOf(app))) continue;
    const setting = `push.${name}.apps[${index}]`;
    try {
      const files = filesOf(app).map((path) => new WatchedFile(path, clock));
      const credential = readCredential(app, setting, clock.now());
      keys.set(keyOf(app), { app, setting, files, credential, connections: new Map(), expiredSinceMs: undefined });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      mistakes.push(error.message);
    }
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
  return keys;
}

/** A call may go by a visible push, which holds less than a VoIP one. */
const CARRIER: Carrier = {
  form: 'nested',
  limitBytes: (purpose) => LIMIT_BYTES[purpose === 'call' ? 'alert' : 'background'],
};

function readProfiles(options: ApnsOptions, name: string): { app: ApnsApp; profile: PayloadProfile }[] {
  return options.apps.map((app, index) => ({
    app,
    profile: readProfile(app.payload, `push.${name}.apps[${index}].payload`, CARRIER),
  }));
}

function sameCredential(a: Credential, b: Credential): boolean {
  const textsOf = (c: Credential) => (c.kind === 'key' ? [c.key] : [c.certificate, c.key]);
  return textsOf(a).join('\n') === textsOf(b).join('\n');
}

/** `TEAMID.bundle.id` names one app; `bundle.id` alone too, unless two teams have it. */
function findApp(apps: readonly ApnsApp[], named: string): ApnsApp | undefined {
  const full = apps.find((app) => `${app.teamId}.${app.bundleId}` === named);
  if (full) return full;
  const byBundle = apps.filter((app) => app.bundleId === named);
  return byBundle.length === 1 ? byBundle[0] : undefined;
}
