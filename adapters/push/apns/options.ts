/** The options of the APNs provider: its part of the YAML file, and what a mistake in it is called. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const id = z.string().regex(/^[A-Z0-9]{10}$/, 'expected the 10 letters and digits Apple shows');

const app = z.strictObject({
  teamId: id.describe('Team ID, from the membership page of the developer account.'),
  bundleId: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,155}$/, 'expected a bundle identifier such as com.example.phone')
    .refine((text) => !text.endsWith('.voip'), 'expected the bundle identifier without .voip')
    .describe('Bundle identifier of the app, without .voip.'),
  keyId: id.describe('Key ID of the .p8 key.'),
  key: z.string().min(1).describe('Path of the .p8 file (read again when it changes), or its text.'),
  environment: z
    .enum(['production', 'sandbox', 'auto'])
    .default('auto')
    .describe("Apple's environment the tokens are from. auto: as the phone says, and the other one is tried once."),
  incomingCallText: z
    .string()
    .min(1)
    .default('Incoming call')
    .describe('Shown when a call has to go by a visible push, because the app has no VoIP token.'),
});

const endpoint = z.strictObject({
  address: z.string().min(1),
  port: z.int().min(1).max(65_535),
  ca: z.string().optional().describe('PEM text of the certificate authority.'),
});

export const optionsSchema = z.strictObject({
  apps: z
    .array(app)
    .min(1)
    .superRefine((apps, check) => {
      const seen = new Set<string>();
      for (const [index, { teamId, bundleId }] of apps.entries()) {
        const name = `${teamId}.${bundleId}`;
        if (seen.has(name))
          check.addIssue({ code: 'custom', path: [index, 'bundleId'], message: `${name} is given twice` });
        seen.add(name);
      }
    }),
  connections: z.int().min(1).max(8).default(2).describe('Connections per key and environment.'),
  requestTimeoutMs: z.int().min(50).max(30_000).default(5_000).describe('How long to wait for an answer.'),
  endpoint: endpoint.optional().describe("In place of Apple's production server. For tests."),
  sandboxEndpoint: endpoint.optional().describe("In place of Apple's sandbox server. For tests."),
});

export type ApnsOptions = z.output<typeof optionsSchema>;
export type ApnsApp = ApnsOptions['apps'][number];
export type Endpoint = z.output<typeof endpoint>;

/** A mistake of the administrator, found at start. Names the setting and the file, never a key's text. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

const EXPECTED = 'expected the .p8 file from Apple: PEM text "BEGIN PRIVATE KEY" with a P-256 key';

/** The text of a key, without its first line, taken for a path: must not be shown. */
const LOOKS_LIKE_KEY_TEXT = /^[A-Za-z0-9+/=\s]{100,}$/;

export function isKeyText(key: string): boolean {
  return key.includes('-----BEGIN') || key.includes('\n') || LOOKS_LIKE_KEY_TEXT.test(key);
}

/** Reads and checks a .p8 key, from a path or from its text. Throws `ConfigError`. Returns PEM text. */
export function readKey(key: string, setting: string): string {
  let text = key;
  let where = setting;
  if (!isKeyText(key)) {
    where = `${setting}: ${key}`;
    try {
      text = readFileSync(key, 'utf8');
    } catch (cause) {
      throw new ConfigError(`${where} cannot be read (${codeOf(cause)}); ${EXPECTED}`);
    }
  }
  let parsed: KeyObject;
  try {
    parsed = createPrivateKey(text);
  } catch {
    // The cause is left out: OpenSSL's message may quote what it read.
    throw new ConfigError(`${where} is not a private key; ${EXPECTED}`);
  }
  if (parsed.asymmetricKeyType !== 'ec' || parsed.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new ConfigError(`${where} is a key of another kind; ${EXPECTED}`);
  }
  return text;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
