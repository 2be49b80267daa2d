/** Looks at the service account of each app and at the way to Google, for `pushwake check`. Nothing is sent. */
import type { CheckDeps, Finding } from '../../../plugin/ports/finding.ts';
import { reach } from '../../shared/findings.ts';
import { ConfigError, type FcmOptions, readAccount, SERVERS } from './options.ts';

export async function* check(options: FcmOptions, deps: CheckDeps): AsyncIterable<Finding> {
  const what = 'key';
  for (const [index, app] of options.apps.entries()) {
    try {
      const { clientEmail } = readAccount(app, `push.${deps.name}.apps[${index}].serviceAccount`);
      yield { level: 'ok', what, found: `${app.projectId}: service account ${clientEmail} can be read` };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const remedy =
        'make a new private key in the Firebase console (Project settings, Service accounts) and name its file here';
      yield { level: 'fail', what, found: error.message, remedy };
    }
  }
  const { endpoint } = options;
  if (endpoint) yield await reach({ host: endpoint.address, port: endpoint.port, ca: endpoint.ca }, deps);
  else for (const host of Object.values(SERVERS)) yield await reach({ host, port: 443 }, deps);
}
