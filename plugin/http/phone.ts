/**
 * The phone for the browser: its page, and the login by a code of one use. Registered on the devices listener only where
 * `http.devices.phone` is on. What the page does with it is in `plugin/phone`.
 */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Aor, aorRealm, aorUser } from '../core/aor.ts';
import { accountKey } from './account-key.ts';
import type { Routes } from './listener.ts';
import type { PhoneCodes, WrongCode } from './phone-codes.ts';

/** One file of the page, as it is sent. */
export interface PhoneAsset {
  readonly type: string;
  readonly body: Uint8Array;
}

/** What a PBX expects where nothing is configured: its own WebSocket server, on the host of the page. */
export type WssDefault = '8089/ws' | '7443';

export interface PhoneOptions {
  /** By name below `/phone/`; `index.html` is the page itself. */
  readonly assets: ReadonlyMap<string, PhoneAsset>;
  readonly codes: PhoneCodes;
  /** `http.devices.accountSecret`. */
  readonly secret: string;
  /** Whether a PBX of the configuration has such accounts. */
  readonly serves: (aor: Aor) => boolean;
  /** `http.devices.phone.wss`; empty: the default of the account's PBX. */
  readonly wss: readonly string[];
  readonly wssDefaultOf: (aor: Aor) => WssDefault;
  /** What browsers subscribe with, base64url. Throws when the key cannot be read. */
  readonly vapidPublicKey: () => string;
}

const WRONG: Readonly<Record<WrongCode, string>> = {
  unknown:
    'this code is not known here: it is wrong, or pushwake was restarted since; print a new link with pushwake phone',
  used: 'this code was used already: it logs in one browser; print a new link with pushwake phone',
  expired: 'this code is older than ten minutes; print a new link with pushwake phone',
};

/** Nothing of the page needs more than its microphone. */
const PERMISSIONS = 'microphone=(self), camera=(), display-capture=(), geolocation=(), payment=(), usb=()';

const error = { type: 'object', properties: { error: { type: 'string' } } };

export function phoneRoutes(o: PhoneOptions): Routes {
  return (server) => {
    for (const [name, asset] of o.assets) {
      const etag = `"${createHash('sha256').update(asset.body).digest('base64url').slice(0, 22)}"`;
      const body = Buffer.from(asset.body);
      const path = name === 'index.html' ? '/phone/' : `/phone/${name}`;
      server.get(path, { schema: { hide: true } }, async (request, reply) => {
        protect(o, request, reply);
        reply.header('etag', etag).header('cache-control', 'no-cache');
        return isSame(request.headers['if-none-match'], etag)
          ? reply.code(304).send()
          : reply.type(asset.type).send(body);
      });
    }
    // Relative, because it may stand below another path behind a proxy.
    server.get('/phone', { schema: { hide: true } }, async (_request, reply) => reply.redirect('phone/', 308));
    server.post<{ Body: { code: string } }>(
      '/phone/v1/login',
      {
        schema: {
          summary: 'Logs in one browser by the code of a link that pushwake phone has printed',
          tags: ['Phone'],
          body: {
            type: 'object',
            required: ['code'],
            additionalProperties: false,
            properties: {
              code: { type: 'string', maxLength: 100, description: 'Good for one use within ten minutes' },
            },
          },
          response: {
            200: {
              type: 'object',
              properties: {
                aor: { type: 'string' },
                user: { type: 'string' },
                realm: { type: 'string' },
                wss: { type: 'string', description: 'Where to register, SIP over WebSocket' },
                key: { type: 'string', description: "The account's key for /v1/devices" },
                vapidPublicKey: { type: 'string', description: 'applicationServerKey of the subscription, base64url' },
                expiresAt: { type: 'string', description: 'When the code would have ended' },
              },
            },
            400: error,
            403: { type: 'object', properties: { error: { type: 'string' }, reason: { enum: Object.keys(WRONG) } } },
            429: error,
          },
        },
      },
      async (request, reply) => {
        // First what may fail: a code that brought nothing is not used up.
        const vapidPublicKey = o.vapidPublicKey();
        const login = o.codes.redeem(request.body.code);
        if (typeof login === 'string') return reply.code(403).send({ error: WRONG[login], reason: login });
        const { aor } = login;
        if (!o.serves(aor)) return reply.code(403).send({ error: WRONG.unknown, reason: 'unknown' });
        return {
          aor,
          user: aorUser(aor),
          realm: aorRealm(aor),
          wss: login.wss ?? o.wss[0] ?? defaultWss(request, o.wssDefaultOf(aor)),
          key: accountKey(o.secret, aor),
          vapidPublicKey,
          expiresAt: new Date(login.expiresAt).toISOString(),
        };
      },
    );
  };
}

/** Of every file, because a service worker lives by the policy of its own. */
function protect(o: PhoneOptions, request: FastifyRequest, reply: FastifyReply): void {
  const host = hostOf(request);
  const defaults = host === undefined ? [] : [`wss://${host}:8089`, `wss://${host}:7443`];
  const reached = o.wss.length > 0 ? [...new Set(o.wss.map(originOf))] : defaults;
  reply.header(
    'content-security-policy',
    [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "manifest-src 'self'",
      "worker-src 'self'",
      "media-src 'self' blob:",
      `connect-src ${["'self'", ...reached].join(' ')}`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  );
  reply.header('permissions-policy', PERMISSIONS);
  reply.header('cross-origin-opener-policy', 'same-origin');
}

export const originOf = (wss: string): string => {
  const { protocol, host } = new URL(wss);
  return `${protocol}//${host}`;
};

function defaultWss(request: FastifyRequest, of: WssDefault): string {
  return `wss://${hostOf(request) ?? 'localhost'}:${of}`;
}

/** The host that the browser asked for, without its port. A stranger may write anything there: undefined for what is no host. */
function hostOf({ host }: FastifyRequest): string | undefined {
  const url = `https://${host}/`;
  if (!/^[\w.:[\]-]{1,255}$/.test(host) || !URL.canParse(url)) return undefined;
  return new URL(url).hostname;
}

/** Whether the browser has this very file. A proxy that compresses makes a weak tag of ours. */
function isSame(given: string | undefined, etag: string): boolean {
  return (given ?? '').split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
}
