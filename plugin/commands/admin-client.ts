/** Asks the running pushwake by its admin listener: calls, links and queues are in its memory only. */
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { HttpConfig } from '../../config/http-schema.ts';
import { allows, type Role } from '../http/access.ts';

export interface AdminRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** The least role that may ask this. Default `read`. */
  readonly role?: Role;
  /** Default 5 s. */
  readonly timeoutMs?: number;
}

export type AdminAnswer =
  | { readonly status: number; readonly body: unknown }
  /** Nobody could be asked, and why. */
  | { readonly unreachable: string };

const ANSWER_WITHIN_MS = 5_000;

export const NO_ADMIN = 'the configuration has no `http.admin`, by which a running pushwake is asked';

export async function askAdmin(admin: HttpConfig['admin'], asked: AdminRequest): Promise<AdminAnswer> {
  if (!admin) return { unreachable: NO_ADMIN };
  const { host, port } = admin.listen;
  const { method = 'GET', path, body, role = 'read', timeoutMs = ANSWER_WITHIN_MS } = asked;
  const token = admin.tokens.find((t) => allows(t.role, role))?.token;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const options = {
    host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host,
    port,
    path,
    method,
    timeout: timeoutMs,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    },
  };
  try {
    // Its own certificate is what it must show: the name in it is that of the outside.
    const ca = admin.tls && readFileSync(admin.tls.cert, 'utf8');
    const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = ca ? httpsRequest({ ...options, ca, checkServerIdentity: () => undefined }) : httpRequest(options);
      sent.on('timeout', () => sent.destroy(new Error('no answer')));
      sent.on('error', reject);
      sent.on('response', (response) => {
        let received = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          received += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: received }));
        response.on('error', reject);
      });
      sent.end(text);
    });
    return { status: answer.status, body: parsed(answer.text) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return { unreachable: `no pushwake answers on ${host}:${port} (${code}); does it run?` };
  }
}

/** What an answer that is no success says of itself. */
export function refusal({ status, body }: { readonly status: number; readonly body: unknown }): string {
  const said = (body as { error?: unknown } | undefined)?.error;
  return `the running pushwake answers ${status}${typeof said === 'string' ? `: ${said}` : ''}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
