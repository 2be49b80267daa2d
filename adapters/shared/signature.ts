/**
 * How what we send to others over HTTP is signed: Standard Webhooks (standardwebhooks.com, version 1), for which there are
 * libraries in every language. The timestamp is signed too, so that a receiver can refuse what was sent before.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { isLoopback } from '../../plugin/core/loopback.ts';
import { between, type DurationMs, type Instant, instant, MINUTE } from '../../plugin/core/time.ts';

/** `whsec_` and base64, or any text that is long enough that nobody tries it through. */
export const secretSchema = z
  .string()
  .min(24, 'expected at least 24 characters, for example from `openssl rand -base64 33`')
  .describe('What the requests are signed with; the receiver has the same.');

/** Where it goes to is the administrator's word. Over the open net only encrypted: it names accounts. */
export const urlSchema = z.url({ protocol: /^https?$/, error: 'expected an https URL' }).refine((text) => {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || isLoopback(url.hostname));
}, 'expected https; http is for this machine alone');

export interface Signed {
  readonly 'webhook-id': string;
  /** Epoch seconds. */
  readonly 'webhook-timestamp': string;
  readonly 'webhook-signature': string;
}

/** `id` is the same for every attempt: the receiver drops repeats by it. */
export function sign(secret: string, id: string, at: Instant, body: string): Signed {
  const seconds = String(Math.floor(at / 1_000));
  return {
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': `v1,${mac(secret, id, seconds, body)}`,
  };
}

/** The receiver's side, for the tests and as an example. `toleranceMs`: how old it may be. */
export function isSigned(
  secret: string,
  headers: Readonly<Record<string, string | undefined>>,
  body: string,
  now: Instant,
  toleranceMs: DurationMs = 5 * MINUTE,
): boolean {
  const { 'webhook-id': id = '', 'webhook-timestamp': seconds = '', 'webhook-signature': given = '' } = headers;
  if (!/^\d{1,12}$/.test(seconds)) return false;
  if (Math.abs(between(instant(Number(seconds) * 1_000), now)) > toleranceMs) return false;
  const expected = Buffer.from(`v1,${mac(secret, id, seconds, body)}`);
  // Several, separated by spaces, while a secret is being changed.
  return given.split(' ').some((one) => {
    const bytes = Buffer.from(one);
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  });
}

function mac(secret: string, id: string, seconds: string, body: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret;
  return createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
}
