/** The options of the web push provider: its part of the YAML file, and what a mistake in it is called. */
import { createECDH } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError } from '../../../plugin/ports/config-error.ts';

const endpoint = z.strictObject({
  address: z.string().min(1),
  port: z.int().min(1).max(65_535),
  ca: z.string().optional().describe('PEM text of the certificate authority.'),
});

export const optionsSchema = z.strictObject({
  subject: z
    .string()
    .regex(/^(mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)$/, 'expected mailto:someone@example.com or an https URL')
    .describe('Whom a push service writes to when our pushes make trouble.'),
  privateKey: z
    .string()
    .min(1)
    .describe('VAPID private key: 43 characters of base64url (pushwake vapid-keys), or the path of a file with them.'),
  allowHosts: z
    .array(
      z
        .string()
        .regex(
          /^(\*\.)?[a-z0-9.-]+(:\d{1,5})?$/,
          'expected a host name such as push.example.com or *.example.com:8443',
        ),
    )
    .optional()
    .describe(
      'The only push services ever asked; also on private addresses and other ports. Default: any on port 443 of a public address.',
    ),
  requestTimeoutMs: z.int().min(50).max(30_000).default(5_000).describe('How long to wait for an answer.'),
  endpoint: endpoint.optional().describe('In place of every push service. For tests.'),
});

export type WebPushOptions = z.output<typeof optionsSchema>;

export interface VapidKeys {
  readonly publicKey: string;
  readonly privateKey: string;
}

const EXPECTED = 'expected 43 characters of base64url, as `pushwake vapid-keys` prints them';
const KEY = /^[A-Za-z0-9_-]{43}=?$/;

export function isKeyText(text: string): boolean {
  return KEY.test(text.trim());
}

/** Reads and checks the key, from a path or from its text. Throws `ConfigError`. The public key follows from it. */
export function readVapidKeys(given: string, setting: string): VapidKeys {
  let text = given;
  let where = setting;
  if (!isKeyText(given)) {
    // A key with a letter too many must not be taken for a path and shown.
    if (/^[A-Za-z0-9_=-]{30,}$/.test(given)) throw new ConfigError(`${setting} is no VAPID key; ${EXPECTED}`);
    where = `${setting}: ${given}`;
    try {
      text = readFileSync(given, 'utf8');
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
      throw new ConfigError(`${where} cannot be read (${code}); ${EXPECTED}`);
    }
  }
  const privateKey = text.trim().replace(/=$/, '');
  if (!KEY.test(privateKey)) throw new ConfigError(`${where} is no VAPID key; ${EXPECTED}`);
  const curve = createECDH('prime256v1');
  try {
    curve.setPrivateKey(Buffer.from(privateKey, 'base64url'));
  } catch {
    throw new ConfigError(`${where} is no key of the curve P-256; ${EXPECTED}`);
  }
  return { privateKey, publicKey: curve.getPublicKey('base64url') };
}

export { ConfigError };
