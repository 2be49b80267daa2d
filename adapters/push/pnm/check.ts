/** The way to Acrobits' push service, for `pushwake check`. Nothing is sent. */
import type { CheckDeps, Finding } from '../../../plugin/ports/finding.ts';
import { reach } from '../../shared/findings.ts';
import type { PnmOptions } from './options.ts';

export async function* check({ url, endpoint }: PnmOptions, deps: CheckDeps): AsyncIterable<Finding> {
  const { hostname, port } = new URL(url);
  yield await reach(
    { host: endpoint?.address ?? hostname, port: endpoint?.port ?? Number(port || 443), ca: endpoint?.ca },
    deps,
  );
}
