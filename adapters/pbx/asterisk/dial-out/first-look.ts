/** Asks an Asterisk once by plain HTTP whether it would take us, so that a wrong password is told as what it is. */
import { SECOND } from '../../../../plugin/core/time.ts';
import { isAclRefusal } from '../acl-refusal.ts';
import type { ReachedOptions } from '../options.ts';

const ANSWERS_WITHIN = 5 * SECOND;

export type FirstLook =
  | { readonly version: string }
  /** `hint`: what an administrator can do about it. */
  | { readonly reason: string; readonly hint: string };

export type Login = Pick<ReachedOptions, 'url' | 'username' | 'password'>;

export const baseOf = ({ url }: Login): URL => new URL(url.endsWith('/') ? url : `${url}/`);

export const authorizationOf = ({ username, password }: Login): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** Never rejects. */
export async function lookFirst(login: Login): Promise<FirstLook> {
  const url = new URL('ari/asterisk/info', baseOf(login));
  let response: Response;
  try {
    // A connection of its own: one that was kept may lead to an Asterisk that is gone.
    const headers = { authorization: authorizationOf(login), connection: 'close' };
    response = await fetch(url, { headers, signal: AbortSignal.timeout(ANSWERS_WITHIN) });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = (cause as NodeJS.ErrnoException)?.code ?? (cause as Error)?.name;
    return {
      reason: `cannot reach ARI at ${url.host}: ${code}`,
      hint: 'is Asterisk running, and are http.conf (enabled, bindaddr, bindport) and `url` right?',
    };
  }
  const body: unknown = await response.json().catch(() => undefined);
  const { status } = response;
  if (status === 403 && isAclRefusal(403, body)) {
    return {
      reason: `the ACL of ARI user "${login.username}" does not let this machine in`,
      hint: 'its section of ari.conf needs permit = <this machine’s address>, or no deny, permit and acl at all; then `module reload res_ari.so`',
    };
  }
  if (status === 401 || status === 403) {
    return {
      reason: `ARI refuses the login of user "${login.username}"`,
      hint: '`username` and `password` must be those of ari.conf; `module reload res_ari.so` after a change',
    };
  }
  if (!response.ok) {
    return {
      reason: `${url.host} answers ${status} to ${url.pathname}`,
      hint: 'is res_ari loaded, and is ari.conf `enabled = yes`?',
    };
  }
  const { system } = (body ?? {}) as { system?: { version?: string } };
  return { version: String(system?.version ?? 'unknown') };
}
