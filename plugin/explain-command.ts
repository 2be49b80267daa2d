/** `pushwake explain`: asks the running pushwake by its admin listener, because calls are kept in its memory only. */

import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { HttpConfig } from '../config/http-schema.ts';
import type { Explanation } from './core/explain.ts';

export interface Explained {
  readonly calls: readonly Explanation[];
  readonly devices: readonly string[];
}

const ANSWER_WITHIN_MS = 5_000;

/** `reason`: why it could not be asked. */
export async function askRunning(
  admin: HttpConfig['admin'],
  of: string | undefined,
): Promise<Explained | { readonly reason: string }> {
  if (!admin) return { reason: 'the configuration has no `http.admin`, by which a running pushwake is asked' };
  const { host, port } = admin.listen;
  const token = admin.tokens.find((t) => t.role !== 'metrics')?.token;
  const path = of === undefined ? '/v1/seldom-woken' : `/v1/explain?of=${encodeURIComponent(of)}`;
  const options = {
    host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host,
    port,
    path,
    timeout: ANSWER_WITHIN_MS,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  };
  try {
    // Its own certificate is what it must show: the name in it is that of the outside.
    const ca = admin.tls && readFileSync(admin.tls.cert, 'utf8');
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const sent = ca ? httpsRequest({ ...options, ca, checkServerIdentity: () => undefined }) : httpRequest(options);
      sent.on('timeout', () => sent.destroy(new Error('no answer')));
      sent.on('error', reject);
      sent.on('response', async (answer) => {
        let text = '';
        for await (const chunk of answer.setEncoding('utf8')) text += chunk;
        resolve({ status: answer.statusCode ?? 0, text });
      });
      sent.end();
    });
    if (status === 404) return { calls: [], devices: [] };
    if (status !== 200) return { reason: `the running pushwake answers ${status}` };
    return { calls: [], ...(JSON.parse(text) as Partial<Explained>) } as Explained;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return { reason: `no pushwake answers on ${host}:${port} (${code})` };
  }
}

/** For a terminal. */
export function inLines({ calls, devices }: Explained): string[] {
  const lines = calls.flatMap((call) => [
    ...call.sentences,
    ...(call.cause === undefined ? [] : [`  Likely cause: ${call.cause}`]),
    ...(call.remedy === undefined ? [] : [`  What to do: ${call.remedy}`]),
    '',
  ]);
  if (calls.length === 0 && devices.length === 0) return ['Nothing is known: no binding, no call.'];
  return [...lines, ...devices];
}
