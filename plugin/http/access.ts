/**
 * Who may see what on the admin listener. Tokens are compared in constant time; without any token only this machine is
 * let in, and only to look.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback } from '../core/loopback.ts';

/**
 * `metrics`: /metrics and health. `read`: everything that can be looked at. `push`: sends pushes of the site's own, and sees nothing.
 * `operate`: all of it, and what changes something.
 */
export type Role = 'metrics' | 'read' | 'push' | 'operate';

export interface AdminToken {
  /** For the log; never the token itself. */
  readonly name: string;
  readonly role: Role;
  readonly token: string;
}

const MAY: Readonly<Record<Role, readonly Role[]>> = {
  metrics: ['metrics'],
  read: ['metrics', 'read'],
  push: ['push'],
  operate: ['metrics', 'read', 'push', 'operate'],
};

export const allows = (granted: Role, needed: Role): boolean => MAY[granted].includes(needed);

/** Whether both are equal, in a time that reveals neither where they differ nor how long they are. */
export function sameSecret(a: string, b: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

/** Host of a `Host` header, without its port. */
const hostOf = (header: string) => header.replace(/:\d+$/, '');

/**
 * Whether a request that changes or sends something is meant by the one who asks. A browser adds a password that it has kept to
 * whatever a page of somebody else makes it send; a Bearer token it adds by itself never. And it says where a request comes from.
 */
export function isMeant(headers: {
  readonly authorization?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}): boolean {
  const from = headers['sec-fetch-site'];
  return (
    /^Bearer /i.test(headers.authorization ?? '') && (from === undefined || from === 'same-origin' || from === 'none')
  );
}

export interface Asking {
  /** `Authorization`: `Bearer <token>`, or `Basic` with the token as the password, which is what a browser can ask for. */
  readonly authorization?: string | undefined;
  readonly host?: string | undefined;
}

/**
 * The role of a request, or undefined when it may see nothing. Without configured tokens the listener is on loopback (the
 * configuration sees to that): then `read`, unless the `Host` header names another machine, as a page does that rebinds
 * its DNS name to 127.0.0.1.
 */
export function roleOf(tokens: readonly AdminToken[], asking: Asking): Role | undefined {
  if (tokens.length === 0) return isLoopback(hostOf(asking.host ?? '')) ? 'read' : undefined;
  const given = tokenOf(asking.authorization ?? '');
  if (given === undefined) return undefined;
  // All of them are compared, so that the time says nothing of which one fits.
  return tokens.filter((t) => sameSecret(t.token, given))[0]?.role;
}

function tokenOf(header: string): string | undefined {
  const [, scheme, value] = /^(Bearer|Basic) +([A-Za-z0-9._~+/=-]+)$/i.exec(header) ?? [];
  if (scheme === undefined || value === undefined) return undefined;
  if (scheme.toLowerCase() === 'bearer') return value;
  const decoded = Buffer.from(value, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 0 ? undefined : decoded.slice(colon + 1);
}
