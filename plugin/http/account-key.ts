/**
 * What an app proves its account with on the devices listener: HMAC(secret of the realm, AOR). Nothing is stored per
 * account, and a key of one account says nothing about another's.
 */
import { createHmac } from 'node:crypto';
import type { Aor } from '../core/aor.ts';
import { sameSecret } from './access.ts';

/** 43 characters of base64url. Changing the secret takes back every key at once. */
export function accountKey(secret: string, aor: Aor): string {
  return createHmac('sha256', secret).update(`pushwake account ${aor}`).digest('base64url');
}

export function isAccountKey(secret: string, aor: Aor, given: string): boolean {
  return sameSecret(accountKey(secret, aor), given);
}
