/**
 * What apps of Acrobits report to, without their SIPIS server: their push tokens at each start, the removal of the account,
 * each push that arrived. GET, form or JSON, names as the documentation or as other servers write them
 * (doc.acrobits.net: Push Token Reporter, Account Removal Reporter, Push Notification Reporter). The apps ignore the answer.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Target, Targets } from '../core/binding.ts';
import type { ReceiptSaid } from '../core/signs.ts';
import { Token } from '../core/token.ts';
import { accountOf, type DeviceOptions, type NamedDevice, REFUSED, type Taken, TOO_MANY } from './account.ts';
import type { Routes } from './listener.ts';

/** The push service of these apps, by its name in the configuration. */
const SERVICE = 'pnm';

/** What we understand ← what is written, in lower case and without signs: `pushTokenOther`, `push_token_other`, `token_msgs`. */
const NAMES = {
  account: ['account', 'aor'],
  key: ['key'],
  installId: ['installid'],
  selector: ['selector'],
  callToken: ['pushtokenincomingcall', 'tokencalls'],
  callApp: ['pushappidincomingcall', 'appidcalls'],
  otherToken: ['pushtokenother', 'tokenmsgs'],
  otherApp: ['pushappidother', 'appidmsgs'],
  token: ['pushtoken', 'token', 'devicetoken'],
  app: ['pushappid', 'appid'],
} as const;

type Field = keyof typeof NAMES;
type Fields = { readonly [field in Field]?: string };

const LIMIT: Readonly<Partial<Record<Field, number>>> = { callToken: 2_048, otherToken: 2_048, token: 2_048 };
const PRINTABLE = /^[\x21-\x7e]+$/;
/** `%pushTokenOther%`: a variable the app does not know stays as it is. */
const UNKNOWN_VARIABLE = /^%[\w[\]]+%$/;

/** Acrobits' apps say that a push came, and no more. */
const NOTHING_SAID: ReceiptSaid = { pushId: undefined, priority: undefined, originalPriority: undefined };

export function acrobitsRoutes(o: DeviceOptions): Routes {
  type Act = (fields: Fields, device: NamedDevice, reply: FastifyReply) => Promise<FastifyReply | undefined>;

  const handler = (act: (aor: NonNullable<ReturnType<typeof accountOf>>) => Act) => {
    return async (request: FastifyRequest, reply: FastifyReply) => {
      const fields = fieldsOf(request);
      const aor = accountOf(o, fields.account, fields.key);
      if (!aor) return reply.code(403).send(REFUSED);
      const wrong = wrongField(fields);
      if (wrong) return reply.code(400).send({ error: wrong });
      const { installId, selector } = fields;
      const device = {
        ...(installId === undefined ? {} : { installId }),
        ...(selector === undefined ? {} : { selector }),
      };
      return (await act(aor)(fields, device, reply)) ?? reply.code(200).send();
    };
  };
  const taken = (reply: FastifyReply, what: Taken) => (what === 'taken' ? undefined : reply.code(429).send(TOO_MANY));

  const token = handler((aor) => async (fields, device, reply) => {
    if (!o.services.has(SERVICE)) return reply.code(503).send({ error: `there is no push service "${SERVICE}" here` });
    const targets = targetsOf(fields);
    if (!targets.call && !targets.other) {
      return reply.code(400).send({ error: 'expected a push token and its app id, and for calls the selector' });
    }
    return taken(reply, await o.reports.report(aor, device, targets));
  });
  const removed = handler((aor) => async (fields, device, reply) => {
    const targets = targetsOf(fields);
    if (device.installId === undefined && !targets.call && !targets.other) {
      return reply.code(400).send({ error: 'expected an install id or a push token' });
    }
    return taken(reply, await o.reports.withdraw(aor, device, targets));
  });
  const received = handler((aor) => async (_fields, device, reply) => {
    return taken(reply, await o.reports.receipt(aor, device, NOTHING_SAID));
  });

  return (server) => {
    // The apps send what their template says, under whatever content type.
    server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    const both = (path: string, summary: string, one: typeof token) => {
      server.route({ method: ['GET', 'POST'], url: path, schema: { summary, tags: ['Acrobits'] }, handler: one });
    };
    both('/v1/acrobits/token', 'Push Token Reporter: the tokens of an app, at each of its starts', token);
    both('/v1/acrobits/removed', 'Account Removal Reporter: the account was removed from the app', removed);
    both('/v1/acrobits/received', 'Push Notification Reporter: a push has arrived', received);
  };
}

/** Query and body side by side; the body counts where both name something. */
function fieldsOf(request: FastifyRequest): Fields {
  const given = new Map<string, string>();
  for (const source of [request.query, bodyOf(request.body)]) {
    if (typeof source !== 'object' || source === null) continue;
    for (const [name, value] of Object.entries(source)) {
      if (typeof value !== 'string' && typeof value !== 'number') continue;
      const text = String(value);
      if (text !== '' && !UNKNOWN_VARIABLE.test(text)) given.set(name.toLowerCase().replace(/[^a-z0-9]/g, ''), text);
    }
  }
  const fields: { [field in Field]?: string } = {};
  for (const [field, names] of Object.entries(NAMES) as [Field, readonly string[]][]) {
    const value = names.map((name) => given.get(name)).find((v) => v !== undefined);
    // A "+" of base64 that was not escaped in a form arrives as a space.
    if (value !== undefined) fields[field] = /token$/i.test(field) ? value.replaceAll(' ', '+') : value;
  }
  return fields;
}

function bodyOf(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return Object.fromEntries(new URLSearchParams(body));
  }
}

function wrongField(fields: Fields): string | undefined {
  for (const [field, value] of Object.entries(fields) as [Field, string][]) {
    const limit = LIMIT[field] ?? 256;
    if (value.length > limit || !PRINTABLE.test(value)) {
      return `${NAMES[field][0]}: expected at most ${limit} printable characters without spaces`;
    }
  }
  return undefined;
}

/**
 * As of iOS 13 there are two pairs, one for calls and one for everything else; Android and older apps have one for all. A
 * token for calls alone must never be used for anything else, so nothing is guessed from it.
 */
function targetsOf(f: Fields): Targets {
  const target = (app: string | undefined, token: string | undefined): Target | undefined =>
    app === undefined || token === undefined
      ? undefined
      : {
          provider: SERVICE,
          app,
          ...(f.selector === undefined ? {} : { selector: f.selector }),
          token: new Token(token),
        };
  const all = target(f.app, f.token);
  const call = target(f.callApp, f.callToken) ?? all;
  const other = target(f.otherApp, f.otherToken) ?? (f.callToken === undefined ? all : undefined);
  return { ...(call && f.selector !== undefined ? { call } : {}), ...(other ? { other } : {}) };
}
