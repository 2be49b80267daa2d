/**
 * The device API, for apps of one's own that put no push parameters into their Contact, or want to be surer than SIP is: the
 * app reports its tokens, takes them back, and confirms what it received. The account's key is the bearer token.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Target } from '../core/binding.ts';
import type { Priority } from '../core/signs.ts';
import { Token } from '../core/token.ts';
import { accountOf, type DeviceOptions, REFUSED, type Taken, TOO_MANY } from './account.ts';
import type { Routes } from './listener.ts';

interface Params {
  readonly aor: string;
  readonly installId: string;
}

interface GivenReceipt {
  readonly pushId?: string;
  readonly priority?: Priority;
  readonly originalPriority?: Priority;
}

interface GivenTarget {
  readonly provider: string;
  readonly app: string;
  readonly token: string;
  readonly environment?: 'production' | 'sandbox';
  readonly selector?: string;
}

interface GivenTargets {
  readonly call?: GivenTarget;
  readonly other?: GivenTarget;
}

interface GivenReport extends GivenTargets {
  readonly locale?: string;
}

const printable = (maxLength: number, description: string) => ({
  type: 'string',
  pattern: '^[\\x21-\\x7e]+$',
  maxLength,
  description,
});

const target = {
  type: 'object',
  required: ['provider', 'app', 'token'],
  additionalProperties: false,
  properties: {
    provider: printable(32, 'Name of a push service in the configuration: apns, fcm, webpush, …'),
    app: printable(256, 'The app as that service names it: TEAMID.bundle.id, FCM sender id, …'),
    token: printable(2_048, 'The device token; web push: the endpoint, with "#<p256dh>.<auth>" behind it'),
    environment: { enum: ['production', 'sandbox'], description: 'APNs only' },
    selector: printable(256, 'Acrobits only'),
  },
};

const params = {
  type: 'object',
  required: ['aor', 'installId'],
  properties: {
    aor: { type: 'string', maxLength: 290, description: 'The account, for example 1001@example.com' },
    installId: {
      type: 'string',
      pattern: '^[A-Za-z0-9._:-]{8,128}$',
      description: 'What this install of the app calls itself, always the same: 8 to 128 of A-Z a-z 0-9 . _ : -',
    },
  },
};

const priority = (description: string) => ({ enum: ['high', 'normal', 'unknown'], description });

/** May be absent: an app need not say more than that a push came. */
const receipt = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: {
    pushId: {
      type: 'string',
      pattern: '^[0-9a-f-]{36}$',
      description: '`pushId` of the push. Without it: the last one that is not confirmed yet',
    },
    priority: priority('With which priority it arrived: `RemoteMessage.getPriority()` of Android'),
    originalPriority: priority('With which one it was sent: `getOriginalPriority()`'),
  },
};

const locale = {
  type: 'string',
  pattern: '^[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,5}$',
  maxLength: 35,
  description: 'The language of the device as BCP 47 writes it: de, pt-BR, zh-Hant-TW. Notices come in it',
};

const empty = { type: 'null', description: 'Taken' };
const error = { type: 'object', properties: { error: { type: 'string' } } };
const answers = { 204: empty, 400: error, 403: error, 429: error };

export function deviceRoutes(o: DeviceOptions): Routes {
  const account = (request: FastifyRequest) => {
    const [, key] = /^Bearer +([A-Za-z0-9_-]+)$/i.exec(request.headers.authorization ?? '') ?? [];
    return accountOf(o, (request.params as Params).aor, key);
  };
  const answer = (reply: FastifyReply, what: Taken) =>
    what === 'taken' ? reply.code(204).send() : reply.code(429).send(TOO_MANY);

  return (server) => {
    server.put(
      '/v1/devices/:aor/:installId',
      {
        schema: {
          summary: 'Tells where this install is pushed. Holds once the account has registered since',
          tags: ['Devices'],
          params,
          body: {
            type: 'object',
            additionalProperties: false,
            minProperties: 1,
            properties: {
              call: { ...target, description: 'For calls; on iOS the VoIP token' },
              other: { ...target, description: 'For everything else. Without it the user cannot be warned' },
              locale,
            },
          },
          response: answers,
        },
      },
      async (request, reply) => {
        const aor = account(request);
        if (!aor) return reply.code(403).send(REFUSED);
        const { call, other, locale } = request.body as GivenReport;
        if (!call && !other) return reply.code(400).send({ error: 'body: expected call, other or both' });
        for (const [name, t] of Object.entries({ call, other })) {
          if (!t || o.services.has(t.provider)) continue;
          const expected = [...o.services].join(', ') || 'none is configured';
          return reply.code(400).send({ error: `body.${name}.provider: expected one of ${expected}` });
        }
        const { installId } = request.params as Params;
        const targets = { ...(call ? { call: read(call) } : {}), ...(other ? { other: read(other) } : {}) };
        const device = { installId, ...(locale === undefined ? {} : { locale }) };
        return answer(reply, await o.reports.report(aor, device, targets));
      },
    );
    server.delete(
      '/v1/devices/:aor/:installId',
      {
        schema: { summary: 'The account was removed from this install', tags: ['Devices'], params, response: answers },
      },
      async (request, reply) => {
        const aor = account(request);
        if (!aor) return reply.code(403).send(REFUSED);
        return answer(reply, await o.reports.withdraw(aor, { installId: (request.params as Params).installId }, {}));
      },
    );
    server.post(
      '/v1/devices/:aor/:installId/received',
      {
        schema: {
          summary: 'A push has arrived at this install, and how',
          tags: ['Devices'],
          params,
          body: receipt,
          response: answers,
        },
      },
      async (request, reply) => {
        const aor = account(request);
        if (!aor) return reply.code(403).send(REFUSED);
        const { installId } = request.params as Params;
        const { pushId, priority, originalPriority } = (request.body ?? {}) as GivenReceipt;
        return answer(reply, await o.reports.receipt(aor, { installId }, { pushId, priority, originalPriority }));
      },
    );
  };
}

function read({ token, ...given }: GivenTarget): Target {
  return { ...given, token: new Token(token) };
}
