/** The options of one Asterisk in `pushwake.yaml`, under `pbx.<name>`. */
import { z } from 'zod';
import { isLoopback } from '../../../plugin/core/loopback.ts';

const hostPort = z
  .string()
  .regex(/^(\[[0-9A-Fa-f:]+\]|[^:\s]+):\d{1,5}$/, 'expected host:port, for example 127.0.0.1:9060')
  .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535, 'expected a port of at most 65535');

/** The application that the shipped dialplan asks first. */
export const FIRST_APP = 'pushwake';

const hostOf = (listen: string) => listen.slice(0, listen.lastIndexOf(':'));

const dialsIn = z
  .strictObject({
    listen: hostPort.describe('Where its websocket_client.conf points. PBXs that name the same address share the port'),
    tls: z
      .strictObject({
        cert: z.string().min(1).describe('PEM file: the certificate and its chain'),
        key: z.string().min(1).describe('PEM file: its private key'),
      })
      .optional()
      .describe('May be left out where listen is an address of this machine’s own, behind a proxy that speaks TLS'),
  })
  .refine((it) => it.tls !== undefined || isLoopback(hostOf(it.listen)), {
    path: ['tls'],
    error: 'expected cert and key, as the login comes from other machines',
  });

export type DialsIn = z.infer<typeof dialsIn>;

const fields = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'expected the base address of ARI, for example http://127.0.0.1:8088' })
    .optional()
    .describe('Base address of ARI, for example http://127.0.0.1:8088. Required without dialsIn'),
  dialsIn: dialsIn
    .optional()
    .describe('In place of url, for Asterisk 22.5 and newer behind a NAT: it connects to us (websocket_client.conf)'),
  username: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^:]*$/, 'expected no ":" in it')
    .default('pushwake')
    .describe('User in ari.conf; with dialsIn the username of its websocket_client.conf, another one for each PBX'),
  password: z
    .string()
    .min(1)
    .max(255)
    .describe('Password of that user; better a placeholder (file or environment) than the text itself'),
  app: z
    .string()
    .regex(
      /^(?!.*-contacts$)[A-Za-z0-9_-]{1,64}$/,
      'expected letters, digits, "-" or "_", and no "-contacts" at its end',
    )
    .default(FIRST_APP)
    .describe(
      'Stasis application; must be one that the dialplan asks. Each node beside one PBX needs a name of its own: pushwake, pushwake-b, pushwake-c',
    ),
  realm: z
    .string()
    .regex(/^[A-Za-z0-9.-]+$/, 'expected a host name, for example example.com')
    .describe('The realm of this PBX’s accounts: AOR 1001 becomes 1001@realm'),
  hep: z
    .strictObject({
      listen: hostPort.default('127.0.0.1:9060').describe('Where hep.conf’s capture_address points'),
      password: z
        .string()
        .min(1)
        .optional()
        .describe(
          'capture_password of hep.conf. May be left out where listen is an address of this machine’s own (127.0.0.1, [::1])',
        ),
      forward: hostPort.optional().describe('Passes every datagram on as received, so that Homer keeps working'),
    })
    .refine((hep) => hep.password !== undefined || isLoopback(hep.listen.slice(0, hep.listen.lastIndexOf(':'))), {
      path: ['password'],
      error: 'expected a password (capture_password of hep.conf), as others than this machine reach this address',
    })
    .optional()
    .describe('Recommended: see every REGISTER as it was on the wire'),
  via: z
    .record(
      z.string(),
      z
        .string()
        .regex(
          /^[A-Za-z0-9_]+\/[A-Za-z0-9@._:+/-]*\{user\}[A-Za-z0-9@._:+/-]*$/,
          'expected a dial string with {user} in it, for example PJSIP/{user}@branch',
        ),
    )
    .default({})
    .describe('How a phone that registers with another PBX of this configuration (its name) is rung from here'),
});

export const optionsSchema = fields
  .refine((o) => o.url !== undefined || o.dialsIn !== undefined, {
    path: ['url'],
    error:
      'expected the base address of ARI, for example http://127.0.0.1:8088 (or dialsIn, where this Asterisk connects to us)',
  })
  .refine((o) => o.url === undefined || o.dialsIn === undefined, {
    path: ['dialsIn'],
    error: 'expected either url or dialsIn: we connect to this Asterisk, or it connects to us',
  });

export type AsteriskOptions = z.infer<typeof optionsSchema>;
/** We connect to it. */
export type ReachedOptions = AsteriskOptions & { readonly url: string };

/** `[::1]:8089` and the like, in two. */
export function addressOf(listen: string): { readonly host: string; readonly port: number } {
  return { host: hostOf(listen).replace(/^\[|\]$/g, ''), port: Number(listen.slice(listen.lastIndexOf(':') + 1)) };
}
