/** The options of the FCM provider: its part of the YAML file, and what a mistake in it is called. */
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError } from '../../../plugin/ports/config-error.ts';
import { payloadOption, textsOption } from '../payload-profile.ts';

const app = z.strictObject({
  projectId: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.:-]{2,62}$/, 'expected a Firebase project id such as example-phone')
    .describe('Project ID, from the project settings of the Firebase console.'),
  senderId: z
    .string()
    .regex(/^\d{5,20}$/, 'expected the digits of the project number, in quotes')
    .optional()
    .describe('Project number (sender ID), which is what Android apps write into pn-param.'),
  serviceAccount: z
    .string()
    .min(1)
    .describe('Path of the JSON file of a service account (read again when it changes), or its text.'),
  channelId: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Notification channel of the app for notices. Default: the one its manifest names.'),
  payload: payloadOption,
  texts: textsOption,
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
      for (const [index, { projectId, senderId }] of apps.entries()) {
        for (const [key, name] of Object.entries({ projectId, senderId })) {
          if (name === undefined) continue;
          if (seen.has(name)) check.addIssue({ code: 'custom', path: [index, key], message: `${name} is given twice` });
          seen.add(name);
        }
      }
    }),
  connections: z.int().min(1).max(256).default(64).describe('Most connections to Google: one push each at a time.'),
  requestTimeoutMs: z.int().min(50).max(30_000).default(5_000).describe('How long to wait for an answer.'),
  endpoint: endpoint.optional().describe("In place of Google's servers. For tests."),
});

/** Google's hosts: that of the pushes, and that of the access tokens. */
export const SERVERS = { push: 'fcm.googleapis.com', tokens: 'oauth2.googleapis.com' } as const;

export type FcmOptions = z.output<typeof optionsSchema>;
export type FcmApp = FcmOptions['apps'][number];
export type Endpoint = z.output<typeof endpoint>;

/** What is needed of a service account. */
export interface ServiceAccount {
  readonly clientEmail: string;
  /** PEM. */
  readonly privateKey: string;
}

const EXPECTED =
  'expected the JSON file of a service account, from the Firebase console: Project settings, Service accounts';

const fileSchema = z.object({
  type: z.literal('service_account'),
  project_id: z.string().min(1),
  client_email: z.string().min(3),
  private_key: z.string().min(1),
});

/** JSON, or a piece of it or of a key, must not be taken for a path and shown. */
export function isAccountText(text: string): boolean {
  return /[{"\n]|-----BEGIN/.test(text) || /^[A-Za-z0-9+/=\s]{200,}$/.test(text);
}

/** Reads and checks a service account, from a path or from its text. Throws `ConfigError`. */
export function readAccount({ projectId, serviceAccount }: FcmApp, setting: string): ServiceAccount {
  let text = serviceAccount;
  let where = setting;
  if (!isAccountText(serviceAccount)) {
    where = `${setting}: ${serviceAccount}`;
    try {
      text = readFileSync(serviceAccount, 'utf8');
    } catch (cause) {
      throw new ConfigError(`${where} cannot be read (${codeOf(cause)}); ${EXPECTED}`);
    }
  }
  const parsed = fileSchema.safeParse(fromJson(text));
  // What is wrong with it is left out: the parser's message may quote what it read.
  if (!parsed.success) throw new ConfigError(`${where} is not a service account; ${EXPECTED}`);
  const { project_id, client_email, private_key } = parsed.data;
  if (project_id !== projectId) {
    throw new ConfigError(`${where} is of another project than projectId ${projectId}; ${EXPECTED}`);
  }
  let kind: string | undefined;
  try {
    kind = createPrivateKey(private_key).asymmetricKeyType;
  } catch {
    kind = undefined;
  }
  if (kind !== 'rsa') throw new ConfigError(`${where} holds no RSA private key; ${EXPECTED}`);
  return { clientEmail: client_email, privateKey: private_key };
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}

export { ConfigError };
