import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { isBrowserPage } from '../../config/http-schema.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { allRealms, isServed } from '../../config/realms.ts';
import { type Aor, aorRealm } from '../core/aor.ts';
import type { PhoneLink } from '../http/phone-links.ts';
import { askAdmin, refusal } from './admin-client.ts';
import { CommandError, EXIT } from './exit.ts';
import { qrLines } from './qr-code.ts';
import { load, wholeAor, withConfig } from './setup.ts';
import { paint, say, sayText } from './terminal.ts';

interface Options {
  readonly config: string;
  readonly wss?: string;
  readonly page?: string;
  readonly passwordFile?: string;
  readonly json?: boolean;
}

export function addPhone(program: Command): void {
  withConfig(program.command('phone'))
    .description('Prints a link and a QR code that make a browser the phone of an account, without an app.')
    .argument('<account>', 'the account: 1001@example.com, or 1001 where there is one realm')
    .option('--wss <url>', 'where this browser reaches the PBX, of the hosts that http.devices.phone.wss lists')
    .option('--page <url>', 'where this browser reaches the page, without /phone. Default: as the configuration says')
    .option(
      '--password-file <file>',
      'put the SIP password of the account, which is the first line of it, into the link',
    )
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
The link logs in one browser, once, within ten minutes. The page asks for the SIP password; with --password-file it stands in the link,
behind #, a part that a browser sends to no server. Then the link is as secret as the password.

Asks the admin listener of this node: \`http: { admin: { tokens: [{ name: cli, role: operate, token: … }] } }\` in the configuration. The page must be
reached at this node as well: another one does not know the code.

Exit codes: 0 printed · 2 a mistake in the configuration or the arguments · 3 no running pushwake can be asked

Examples:
  $ pushwake phone 1001
  $ pushwake phone 1001@example.com --page https://phone.example.com --password-file 1001.password`,
    )
    .action(async (text: string, o: Options) => {
      const { config } = await load(o.config);
      const aor = accountOf(config, text, o);
      // Before a code is made: what is wrong here makes none.
      const password = o.passwordFile === undefined ? undefined : passwordIn(o.passwordFile);
      const given = o.page?.replace(/\/+$/, '');
      if (given !== undefined && !isBrowserPage(given))
        throw new CommandError('--page: expected an https URL, for example https://phone.example.com');
      const { code, expiresAt, page: configured, unknown } = await linkFor(config, aor, o.wss);
      const page = given ?? configured;
      if (page === undefined)
        throw new CommandError(
          `where browsers reach the page is not known; write \`page: https://…\` into http.devices.phone of ${o.config}, or say --page`,
        );
      const secret = password === undefined ? '' : `.${Buffer.from(password, 'utf8').toString('base64url')}`;
      const link = `${new URL(page).href.replace(/\/$/, '')}/phone/#${code}${secret}`;
      if (o.json) return say(JSON.stringify({ aor, link, page, expiresAt, ...(unknown && { unknown }) }));
      say(link);
      if (unknown)
        sayText(
          `\nNo PBX knows ${aor}: its login will be refused. An endpoint or user of that name has to be there first.`,
        );
      say();
      showCode(link);
      sayText(wordsFor(aor, password !== undefined));
    });
}

function accountOf(config: LoadedConfig, text: string, { config: file }: Options): Aor {
  const { admin, devices } = config.http;
  if (!devices?.phone) throw new CommandError(`the phone for the browser is off; ${howToTurnOn(config, file)}`);
  if (!admin) throw new CommandError(`${file}: http.admin is missing, by which a running pushwake is asked for a code`);
  const aor = wholeAor(config, text);
  if (isServed(config, aor)) return aor;
  throw new CommandError(
    `no PBX of ${file} has the realm "${aorRealm(aor)}"; there are ${allRealms(config).join(', ')}`,
  );
}

function howToTurnOn({ http: { devices }, push }: LoadedConfig, file: string): string {
  const webpush =
    push.webpush === undefined
      ? '; and `webpush: { subject: mailto:…, privateKey: … }` under `push:` (`pushwake vapid-keys` makes the key)'
      : '';
  const what = devices
    ? '`phone: true` under `http: devices:`'
    : '`devices: { listen: "127.0.0.1:8471", accountSecret: …, phone: true }` under `http:` (`openssl rand -base64 33` makes the secret)';
  return `write ${what} in ${file}${webpush}; then start pushwake anew`;
}

/** The first line, however it ends. */
function passwordIn(file: string): string {
  const [password = ''] = readFileSync(file, 'utf8').split(/\r?\n/);
  if (password === '') throw new CommandError(`${file}: expected the SIP password in its first line`);
  return password;
}

async function linkFor(config: LoadedConfig, aor: Aor, wss: string | undefined): Promise<PhoneLink> {
  const body = { account: aor, ...(wss !== undefined && { wss }) };
  const answer = await askAdmin(config.http.admin, { method: 'POST', path: '/v1/phone-links', role: 'operate', body });
  if ('unreachable' in answer) throw new CommandError(answer.unreachable, EXIT.cannotAsk);
  // What was asked for does not go with the configuration that it runs with.
  if (answer.status === 409) throw new CommandError(refusal(answer));
  if (answer.status !== 201) throw new CommandError(refusal(answer), EXIT.cannotAsk);
  return answer.body as PhoneLink;
}

/** The code, where the terminal has room for it: broken lines could not be read. */
function showCode(link: string): void {
  const lines = qrLines(link);
  const width = lines[0]?.length ?? 0;
  if (process.stdout.columns !== undefined && process.stdout.columns < width)
    return say(`A QR code of it needs a terminal of ${width} columns.`);
  for (const line of lines) say(paint(['whiteBright', 'bgBlack'], line));
}

const wordsFor = (aor: Aor, hasPassword: boolean): string => `
It makes one browser the phone of ${aor}: once, within ten minutes.
${
  hasPassword
    ? 'Behind the dot stands the SIP password. A browser sends no server what stands behind the #; whoever sees the link has the password.'
    : 'The page asks for the SIP password, and gives it to the PBX only.'
}`;
