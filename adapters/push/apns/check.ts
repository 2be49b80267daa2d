/** Looks at the keys of each app and at the way to Apple, for `pushwake check`. Nothing is sent. */
import type { CheckDeps, Finding } from '../../../plugin/ports/finding.ts';
import { endFinding, reach } from '../../shared/findings.ts';
import { type ApnsOptions, ConfigError, readCredential, SERVERS } from './options.ts';

export async function* check(options: ApnsOptions, deps: CheckDeps): AsyncIterable<Finding> {
  const now = deps.clock.now();
  const what = 'key';
  for (const [index, app] of options.apps.entries()) {
    const name = `${app.teamId}.${app.bundleId}`;
    try {
      const credential = readCredential(app, `push.${deps.name}.apps[${index}]`, now);
      if (credential.kind === 'certificate')
        yield endFinding(what, `the certificate of ${name}`, credential.endsAt, now);
      else yield { level: 'ok', what, found: `${name}: key ${credential.keyId} can be read; a .p8 key does not end` };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const remedy =
        'download the key from developer.apple.com, Keys, and name its file here; pushwake’s user must be able to read it';
      yield { level: 'fail', what, found: error.message, remedy };
    }
  }
  const worlds = new Set(options.apps.map((app) => (app.environment === 'sandbox' ? 'sandbox' : 'production')));
  for (const world of worlds) {
    const own = world === 'sandbox' ? options.sandboxEndpoint : options.endpoint;
    yield await reach(
      { host: own?.address ?? SERVERS[world], port: own?.port ?? 443, ca: own?.ca, alpn: ['h2'] },
      deps,
    );
  }
}
