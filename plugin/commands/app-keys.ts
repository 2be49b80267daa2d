/** `acrobits-xml` and `vapid-keys`: what apps are given so that they can report to us. */
import type { Command } from 'commander';
import { generateKeys } from '../../adapters/push/webpush/index.ts';
import { allRealms, isServed } from '../../config/realms.ts';
import { aorRealm } from '../core/aor.ts';
import { acrobitsXml } from '../http/acrobits-xml.ts';
import { CommandError } from './exit.ts';
import { load, wholeAor, withConfig } from './setup.ts';
import { say, sayText } from './terminal.ts';

export function addAppKeys(program: Command): void {
  withConfig(program.command('acrobits-xml'))
    .description(
      'Prints what to put into the Account XML of an Acrobits app: where it reports to, and its key. A secret.',
    )
    .argument('<aor>', 'the account: 1001@example.com, or 1001 where there is one realm')
    .addHelpText('after', '\nExample:\n  $ pushwake acrobits-xml 1001@example.com')
    .action(async (text: string, o: { config: string }) => {
      const { config } = await load(o.config);
      const aor = wholeAor(config, text);
      const { devices } = config.http;
      if (!devices?.publicUrl)
        throw new CommandError(`${o.config}: http.devices with a publicUrl is missing; apps could reach nothing`);
      if (!('pnm' in config.push))
        throw new CommandError(`${o.config}: push.pnm is missing; the app's tokens would be refused`);
      if (!isServed(config, aor)) {
        const realms = allRealms(config).join(', ');
        throw new CommandError(`no PBX of ${o.config} has the realm "${aorRealm(aor)}"; there are ${realms}`);
      }
      process.stdout.write(acrobitsXml(devices.publicUrl, devices.accountSecret, aor));
    });

  program
    .command('vapid-keys')
    .description(
      'Makes a key for web push: `private` for push.webpush.privateKey, `public` for the apps to subscribe with.',
    )
    .option('--json', 'one JSON object')
    .action((o: { json?: boolean }) => {
      const { privateKey, publicKey } = generateKeys();
      if (o.json) return say(JSON.stringify({ private: privateKey, public: publicKey }));
      sayText(`private ${privateKey}\npublic  ${publicKey}`);
    });
}
