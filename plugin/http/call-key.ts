/**
 * What an app shows to ask whether its call still waits: made for this one call, carried in its push, good for a few
 * minutes. Nothing is stored for it; its holder learns nothing but whether the call is alive.
 */
import { createHmac } from 'node:crypto';
import { type Instant, instant } from '../core/time.ts';
import { sameSecret } from './access.ts';

const sign = (secret: string, callId: string, until: string): string =>
  createHmac('sha256', secret).update(`pushwake call ${callId} ${until}`).digest('base64url').slice(0, 22);

/** `<epoch seconds>.<22 characters>`. */
export function callKey(secret: string, callId: string, until: Instant): string {
  const seconds = Math.ceil(until / 1_000).toString(36);
  return `${seconds}.${sign(secret, callId, seconds)}`;
}

export function isCallKey(secret: string, callId: string, key: string, now: Instant): boolean {
  const [, seconds, mac] = /^([0-9a-z]{1,10})\.([\w-]{22})$/.exec(key) ?? [];
  if (seconds === undefined || mac === undefined) return false;
  return sameSecret(sign(secret, callId, seconds), mac) && now <= instant(Number.parseInt(seconds, 36) * 1_000);
}
