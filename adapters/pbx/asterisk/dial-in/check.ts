/**
 * What `check` can say of an Asterisk that dials in: nothing can be asked of it from here, for it answers only down the websocket that the running pushwake
 * holds. So its certificate is looked at, and what its configuration needs is written down.
 */
import { X509Certificate } from 'node:crypto';
import { between, DAY, type Instant, instant } from '../../../../plugin/core/time.ts';
import type { CheckDeps, Finding } from '../../../../plugin/ports/finding.ts';
import { type AsteriskOptions, addressOf, type DialsIn } from '../options.ts';
import { appsOf } from '../session.ts';
import { readerOf } from './transport.ts';

const SOON_DAYS = 14;

export function* checkDialIn(
  { username, app }: AsteriskOptions,
  { listen, tls }: DialsIn,
  { clock }: CheckDeps,
): Iterable<Finding> {
  const { port } = addressOf(listen);
  if (tls) yield certificate(tls, clock.now());
  yield {
    level: 'warn',
    what: 'Asterisk dials in',
    found: `at ${listen}; it can be asked nothing from here`,
    remedy:
      `\`pushwake status\` shows whether its link is up. Its websocket_client.conf: type = websocket_client, connection_type = persistent, ` +
      `uri = ${tls ? 'wss' : 'ws'}://<this machine>:${port}, protocols = ari, username = ${username}, password = …${tls ? ', tls_enabled = yes' : ''}; ` +
      `its ari.conf: type = outbound_websocket, websocket_client_id = <that section>, apps = ${appsOf(app).join(',')}, local_ari_user = <a user with read_only = no>`,
  };
}

function certificate(tls: NonNullable<DialsIn['tls']>, now: Instant): Finding {
  const what = 'certificate for Asterisks that dial in';
  try {
    const { validToDate } = new X509Certificate(readerOf(tls)().cert);
    const days = Math.floor(between(now, instant(validToDate.getTime())) / DAY);
    if (days < 0)
      return { level: 'fail', what, found: `it ended ${-days} days ago`, remedy: `put a new one at ${tls.cert}` };
    if (days < SOON_DAYS)
      return { level: 'warn', what, found: `it ends in ${days} days`, remedy: `put a new one at ${tls.cert}` };
    return { level: 'ok', what, found: `good for ${days} days` };
  } catch (error) {
    const found = (error as NodeJS.ErrnoException).code ?? 'it cannot be read';
    return { level: 'fail', what, found, remedy: `is ${tls.cert} a PEM file that this user may read?` };
  }
}
