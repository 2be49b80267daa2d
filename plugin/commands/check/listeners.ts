/** The HTTP listeners: their ports are free or ours, their certificates have not ended and fit their keys. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { endFinding } from '../../../adapters/shared/findings.ts';
import type { LoadedConfig } from '../../../config/load.ts';
import { type Instant, instant } from '../../core/time.ts';
import type { Finding } from '../../ports/finding.ts';

const REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has this port; if it is pushwake itself, it could not be asked (http.admin)',
  EACCES: 'ports below 1024 need a privilege; choose a higher one, or give the service CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this machine has no such address',
};

export async function* checkListeners({ http }: LoadedConfig, running: boolean, now: Instant): AsyncIterable<Finding> {
  for (const name of ['admin', 'devices'] as const) {
    const listener = http[name];
    if (!listener) continue;
    const { host, port } = listener.listen;
    const at = `${host}:${port} (http.${name})`;
    if (running) yield { level: 'ok', what: 'port', found: `${at} is the running pushwake’s` };
    else {
      const code = await whyNotFree(host, port);
      const remedy = REMEDIES[code ?? ''] ?? `choose another one in http.${name}.listen`;
      yield code === undefined
        ? { level: 'ok', what: 'port', found: `${at} is free` }
        : { level: 'fail', what: 'port', found: `${at} cannot be had (${code})`, remedy };
    }
    if (listener.tls) yield certificateFinding(`http.${name}.tls`, listener.tls, now);
  }
}

function whyNotFree(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port }, () => server.close(() => resolve(undefined)));
  });
}

function certificateFinding(
  name: string,
  files: { readonly cert: string; readonly key: string },
  now: Instant,
): Finding {
  const what = 'certificate';
  try {
    const certificate = new X509Certificate(readFileSync(files.cert));
    if (!certificate.checkPrivateKey(createPrivateKey(readFileSync(files.key)))) {
      const remedy = 'give `cert` and `key` of one and the same certificate, the leaf first';
      return { level: 'fail', what, found: `${name}: the key is of another certificate`, remedy };
    }
    return endFinding(what, `${name}: ${files.cert}`, instant(certificate.validToDate.getTime()), now);
  } catch (error) {
    // OpenSSL's own message may quote what it read.
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    const remedy = 'expected PEM files that pushwake’s user may read';
    return { level: 'fail', what, found: `${name}: ${files.cert} or ${files.key} cannot be used (${code})`, remedy };
  }
}
