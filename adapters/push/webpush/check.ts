/** The VAPID key, for `pushwake check`. Which push services are asked is known from the phones only. */
import type { CheckDeps, Finding } from '../../../plugin/ports/finding.ts';
import { reach } from '../../shared/findings.ts';
import { ConfigError, readVapidKeys, type WebPushOptions } from './options.ts';

export async function* check(options: WebPushOptions, deps: CheckDeps): AsyncIterable<Finding> {
  const what = 'key';
  try {
    const { publicKey } = readVapidKeys(options.privateKey, `push.${deps.name}.privateKey`);
    yield { level: 'ok', what, found: `the VAPID key can be read; its public part is ${publicKey}` };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    yield { level: 'fail', what, found: error.message, remedy: 'make one with `pushwake vapid-keys`' };
  }
  const { endpoint } = options;
  if (endpoint) yield await reach({ host: endpoint.address, port: endpoint.port, ca: endpoint.ca }, deps);
}
