/** The options of the APNs provider: its part of the YAML file, and what a mistake in it is called. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type Instant, instant } from '../../../plugin/core/time.ts';
import { ConfigError } from '../../../plugin/ports/config-error.ts';
import { payloadOption, textsOption } from '../payload-profile.ts';

const id = z.string().regex(/^[A-Z0-9]{10}$/, 'expected the 10 letters and digits Apple shows');

const ONE_OF = 'expected keyId and key, or certificate; not both';

const app = z
  .strictObject({
    teamId: id.describe('Team ID, from the membership page of the developer account.'),
    bundleId: z
      .string()
      .regex(/^[A-Za-z0-9.-]{1,155}$/, 'expected a bundle identifier such as com.example.phone')
      .refine((text) => !text.endsWith('.voip'), 'expected the bundle identifier without .voip')
      .describe('Bundle identifier of the app, without .voip.'),
    keyId: id.optional().describe('Key ID of the .p8 key.'),
    key: z.string().min(1).optional().describe('Path of the .p8 file (read again when it changes), or its text.'),
    certificate: z
      .string()
      .min(1)
      .optional()
      .describe(
        "In place of a key: path of the app's push certificate in PEM (read again when it changes), or its text.",
      ),
    certificateKey: z
      .string()
      .min(1)
      .optional()
      .describe('Path or text of its private key in PEM. Default: it stands in the same file.'),
    environment: z
      .enum(['production', 'sandbox', 'auto'])
      .default('auto')
      .describe("Apple's environment the tokens are from. auto: as the phone says, and the other one is tried once."),
    incomingCallText: z
      .string()
      .min(1)
      .default('Incoming call')
      .describe('Shown when a call has to go by a visible push, because the app has no VoIP token.'),
    payload: payloadOption,
    texts: textsOption,
  })
  .superRefine((given, check) => {
    const byKey = given.key !== undefined && given.keyId !== undefined;
    const anyOfKey = given.key !== undefined || given.keyId !== undefined;
    const byCertificate = given.certificate !== undefined;
    if (byCertificate ? anyOfKey : !byKey) check.addIssue({ code: 'custom', path: ['key'], message: ONE_OF });
    if (given.certificateKey !== undefined && !byCertificate) {
      check.addIssue({ code: 'custom', path: ['certificateKey'], message: 'expected certificate beside it' });
    }
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

/** Apple's hosts, by environment. */
export const SERVERS = { production: 'api.push.apple.com', sandbox: 'api.sandbox.push.apple.com' } as const;

export type ApnsOptions = z.output<typeof optionsSchema>;
export type ApnsApp = ApnsOptions['apps'][number];
export type Endpoint = z.output<typeof endpoint>;

const EXPECTED_KEY = 'expected the .p8 file from Apple: PEM text "BEGIN PRIVATE KEY" with a P-256 key';
const EXPECTED_CERTIFICATE =
  'expected PEM text "BEGIN CERTIFICATE", as `openssl pkcs12 -in push.p12 -nodes` writes it, with the private key in it or in certificateKey';

/** The text of a key, without its first line, taken for a path: must not be shown. */
const LOOKS_LIKE_KEY_TEXT = /^[A-Za-z0-9+/=\s]{100,}$/;

export function isKeyText(key: string): boolean {
  return key.includes('-----BEGIN') || key.includes('\n') || LOOKS_LIKE_KEY_TEXT.test(key);
}

/** What an app proves itself with to Apple: its texts, PEM. */
export type Credential =
  | { readonly kind: 'key'; readonly key: string; readonly keyId: string; readonly teamId: string }
  | { readonly kind: 'certificate'; readonly certificate: string; readonly key: string; readonly endsAt: Instant };

/** The files it is read from. */
export function filesOf({ key, certificate, certificateKey }: ApnsApp): readonly string[] {
  return [key, certificate, certificateKey].filter((text) => text !== undefined && !isKeyText(text)) as string[];
}

/** Reads and checks what an app is given. Throws `ConfigError`. `setting`: `push.apns.apps[0]`. */
export function readCredential(app: ApnsApp, setting: string, now: Instant): Credential {
  const { key, keyId, teamId, certificate, certificateKey } = app;
  if (certificate === undefined) {
    const text = readKey(key ?? '', `${setting}.key`);
    return { kind: 'key', key: text, keyId: keyId ?? '', teamId };
  }
  const where = whereOf(certificate, `${setting}.certificate`);
  const text = readText(certificate, `${setting}.certificate`, EXPECTED_CERTIFICATE);
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(text);
  } catch {
    throw new ConfigError(`${where} is not a certificate; ${EXPECTED_CERTIFICATE}`);
  }
  const itsKey =
    certificateKey === undefined ? text : readText(certificateKey, `${setting}.certificateKey`, EXPECTED_CERTIFICATE);
  const keyWhere = certificateKey === undefined ? where : whereOf(certificateKey, `${setting}.certificateKey`);
  let matches: boolean;
  try {
    matches = parsed.checkPrivateKey(createPrivateKey(itsKey));
  } catch {
    // The cause is left out: OpenSSL's message may quote what it read.
    throw new ConfigError(`${keyWhere} holds no private key; ${EXPECTED_CERTIFICATE}`);
  }
  if (!matches) throw new ConfigError(`${keyWhere} holds the key of another certificate; ${EXPECTED_CERTIFICATE}`);
  const endsAt = instant(parsed.validToDate.getTime());
  if (endsAt <= now) {
    throw new ConfigError(
      `${where} ended on ${parsed.validTo}; renew it in the developer account, or use a .p8 key, which does not end`,
    );
  }
  return { kind: 'certificate', certificate: text, key: itsKey, endsAt };
}

/** Reads and checks a .p8 key, from a path or from its text. Throws `ConfigError`. Returns PEM text. */
function readKey(key: string, setting: string): string {
  const where = whereOf(key, setting);
  const text = readText(key, setting, EXPECTED_KEY);
  let parsed: KeyObject;
  try {
    parsed = createPrivateKey(text);
  } catch {
    // The cause is left out: OpenSSL's message may quote what it read.
    throw new ConfigError(`${where} is not a private key; ${EXPECTED_KEY}`);
  }
  if (parsed.asymmetricKeyType !== 'ec' || parsed.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new ConfigError(`${where} is a key of another kind; ${EXPECTED_KEY}`);
  }
  return text;
}

function whereOf(given: string, setting: string): string {
  return isKeyText(given) ? setting : `${setting}: ${given}`;
}

function readText(given: string, setting: string, expected: string): string {
  if (isKeyText(given)) return given;
  try {
    return readFileSync(given, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${whereOf(given, setting)} cannot be read (${codeOf(cause)}); ${expected}`);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}

export { ConfigError };
