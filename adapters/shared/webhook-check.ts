/** The way to a receiver of ours, for `pushwake check`: nothing is sent. */
import type { CheckDeps, Finding } from '../../plugin/ports/finding.ts';
import { reach } from './findings.ts';

export async function* checkWebhook(
  { url, ca }: { readonly url: string; readonly ca?: string | undefined },
  deps: CheckDeps,
): AsyncIterable<Finding> {
  const { protocol, hostname, port } = new URL(url);
  const tls = protocol === 'https:';
  yield await reach({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (tls ? 443 : 80)), tls, ca }, deps);
}
