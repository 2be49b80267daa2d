/** The form of `http` in `pushwake.yaml`: the two listeners. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { isLoopback } from '../plugin/core/loopback.ts';
import { name } from './name.ts';

const ADDRESS = 'expected address:port, for example 127.0.0.1:8470';
const SECRET = 'expected at least 24 characters, for example from `openssl rand -base64 33`';

const PROXY = 'expected an IP address, a range such as 10.0.0.0/8, or one of loopback, linklocal, uniquelocal';

/** What fastify takes; a name would stop the start. */
function isProxy(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128) && Number(bits) > 0)
  );
}

const listen = z
  .string(ADDRESS)
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, ADDRESS)
  .transform((text) => {
    const colon = text.lastIndexOf(':');
    return { host: text.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(colon + 1)) };
  })
  .refine(({ port }) => port <= 65_535, 'expected a port of at most 65535');
const tls = z
  .strictObject({ cert: z.string().min(1), key: z.string().min(1) })
  .describe('PEM files; read again when they change');
/** Long enough that nobody tries them through. */
const secret = z.string(SECRET).min(24, SECRET);

const admin = z
  .strictObject({
    listen: listen.default({ host: '127.0.0.1', port: 8470 }),
    tls: tls.optional(),
    tokens: z
      .array(z.strictObject({ name, role: z.enum(['metrics', 'read', 'push', 'operate']), token: secret }))
      .default([])
      .describe('Without any, this machine may look and nobody else may ask'),
  })
  .superRefine((a, context) => {
    // A mistake in the address itself is reported already; zod comes by here all the same.
    const host: string | undefined = a.listen?.host;
    if (host === undefined || isLoopback(host)) return;
    const message = 'an address others can reach needs `tls` and at least one of `tokens`; or listen on 127.0.0.1';
    if (!a.tls || a.tokens.length === 0) context.addIssue({ code: 'custom', path: ['listen'], message });
  });

const PAGE = 'expected an https URL, for example https://phone.example.com (http only for localhost)';
const WSS = 'expected a wss URL, for example wss://pbx.example.com:8089/ws (ws only for localhost)';

/** Whether a browser takes it for secure: encrypted, or of the machine it runs on. */
function isSecure(text: string, encrypted: 'https:' | 'wss:', plain: 'http:' | 'ws:'): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== '' || password !== '' || hash !== '') return false;
  return protocol === encrypted || (protocol === plain && isLoopback(hostname));
}

const wss = z.string(WSS).refine((text) => isSecure(text, 'wss:', 'ws:'), WSS);
/** Whether it can stand before `/phone/`, as an address that a browser takes for secure. */
export const isBrowserPage = (text: string): boolean =>
  isSecure(text, 'https:', 'http:') && new URL(text).search === '';

const page = z
  .string(PAGE)
  .refine(isBrowserPage, PAGE)
  .transform((text) => text.replace(/\/+$/, ''))
  .refine(
    (text) => !text.endsWith('/phone'),
    'expected the address without its /phone, for example https://phone.example.com',
  );

const phone = z
  .union(
    [
      z.boolean(),
      z.strictObject({
        wss: z
          .union([wss, z.array(wss).min(1, WSS)], WSS)
          .transform((one) => [one].flat())
          .optional()
          .describe(
            'Where browsers reach the PBX by SIP over WebSocket. A list: the first is what a link gives unless it names another. Default: port 8089 (Asterisk, with /ws) or 7443 (FreeSWITCH) of the host of the page',
          ),
        page: page
          .optional()
          .describe('Where browsers reach this listener, without /phone. Default: publicUrl; or this machine'),
      }),
    ],
    'expected true, false, or a section with wss and page',
  )
  .transform((given) => (given === true ? {} : given === false ? undefined : given));

const devices = z.strictObject({
  listen,
  tls: tls.optional(),
  publicUrl: z
    .url({ protocol: /^https$/, error: 'expected an https URL, for example https://push.example.com' })
    .optional()
    .describe('Where phones reach this listener from outside. Needed for what is handed to apps'),
  trustProxy: z
    .array(z.string().refine(isProxy, PROXY))
    .default([])
    .describe('Addresses of the reverse proxies in front of it'),
  ratePerMinute: z.int().min(0).max(1_000_000).default(600).describe('Requests per address. 0: no limit'),
  accountSecret: secret.describe("Every account's key is made from it; a new one takes them all back"),
  phone: phone
    .optional()
    .describe('A phone for the browser at /phone/. Needs push.webpush. Default: off, and nothing of it is reachable'),
});

export const httpSchema = z.strictObject({
  admin: admin.optional().describe('Health, metrics, what the command line asks a running pushwake'),
  devices: devices.optional().describe('What apps report to over HTTP'),
});

export type HttpConfig = z.output<typeof httpSchema>;
/** The phone for the browser, where it is on. */
export type PhoneConfig = NonNullable<NonNullable<HttpConfig['devices']>['phone']>;
