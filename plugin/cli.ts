#!/usr/bin/env -S node --max-semi-space-size=4
// A small young generation: V8 would rather grow to 400 MB than collect what a busy minute leaves behind.
/** The commands. Exit codes: 0 done, 1 failed, 2 a mistake in the configuration or in the arguments. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../adapters/clock/system/index.ts';
import { generateKeys } from '../adapters/push/webpush/index.ts';
import { ConfigError, loadConfig } from '../config/load.ts';
import { policyChooser } from '../config/policies.ts';
import { allRealms, isServed } from '../config/realms.ts';
import { aorRealm, parseAor } from './core/aor.ts';
import { explainDevices, seldomIn } from './core/explain.ts';
import { targetList } from './core/identity.ts';
import { instant } from './core/time.ts';
import { recordInWords } from './core/wake-record.ts';
import { askRunning, type Explained, inLines } from './explain-command.ts';
import { acrobitsXml } from './http/acrobits-xml.ts';
import { adapters, createLogger, schemasOf, start } from './main.ts';
import { PACKAGE_ROOT, readManifest } from './manifest.ts';
import { type BindingStore, StoreError } from './ports/binding-store.ts';
import { simulate, stamp } from './runtime/simulate.ts';
import { CLAUSES, parseStory, StoryError } from './runtime/story.ts';
import { exportLines, ImportError, importLines } from './runtime/transfer.ts';

/** The Monday of every simulated story; any would do. */
const MONDAY = instant(Date.UTC(2026, 2, 2));
const DEFAULT_CONFIG = '/etc/pushwake/pushwake.yaml';

const program = new Command('pushwake')
  .description('Makes softphones on sleeping mobiles ring, beside your own PBX.')
  .version(readManifest().version)
  .showHelpAfterError();

program
  .command('start')
  .description('Runs in the foreground until SIGTERM or SIGINT. Logs JSON lines to stdout.')
  .option('-c, --config <file>', 'configuration', DEFAULT_CONFIG)
  .action((o: { config: string }) => start(o.config));

program
  .command('check-config')
  .description('Reads the configuration and lists every mistake with file, line and column. Changes nothing.')
  .option('-c, --config <file>', 'configuration', DEFAULT_CONFIG)
  .action(async (o: { config: string }) => {
    try {
      const config = loadConfig(o.config, schemasOf(await adapters()));
      process.stdout.write(`${o.config} is right: mode ${config.mode}, ${Object.keys(config.pbx).length} PBX\n`);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 2;
    }
  });

program
  .command('simulate')
  .description('Shows what would happen to one phone: every push with its reason. Sends nothing, asks nobody.')
  .argument('<story>', 'for example: "registered Monday 9:00, iOS, phone off from Tuesday"')
  .option('-c, --config <file>', 'take the policies of this configuration; without it the defaults')
  .option('--aor <aor>', 'the account, for policies by AOR', '1001@example.com')
  .option('--json', 'one JSON object per line')
  .addHelpText('after', `\nA story is a list of clauses, separated by commas:\n${CLAUSES}`)
  .action(async (story: string, o: { config?: string; aor: string; json?: boolean }) => {
    const aor = parseAor(o.aor);
    if (!aor) return fail(`--aor: "${o.aor}" is no AOR; expected for example 1001@example.com`);
    const policies = o.config ? loadConfig(o.config, schemasOf(await adapters())) : { policy: {}, policies: [] };
    try {
      const parsed = parseStory(story, MONDAY);
      for (const entry of simulate(parsed, policyChooser(policies)(aor), aor)) {
        const line = o.json
          ? JSON.stringify({ ...entry, at: new Date(entry.at).toISOString() })
          : `${stamp(entry.at, parsed.registeredAt)}  ${entry.who.padEnd(9)} ${entry.what}${entry.why ? ` (${entry.why})` : ''}`;
        process.stdout.write(`${line}\n`);
      }
    } catch (error) {
      if (!(error instanceof StoryError)) throw error;
      fail(error.message);
    }
  });

program
  .command('demo')
  .description(
    'Plays a sleeping phone on a real Asterisk of its own, on loopback. Options: see `pushwake demo -- --help`.',
  )
  .argument('[options...]', 'handed on, after `--`: --week, --keep, --sabotage <step>, …')
  .action((options: string[]) => {
    const script = join(PACKAGE_ROOT, 'test', 'demo', 'demo.ts');
    if (!existsSync(script)) return fail('the demo runs from the sources: clone them, then `npm ci && npm run demo`');
    const child = spawn(process.execPath, [script, ...options], { stdio: 'inherit' });
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? (signal ? 1 : 0);
    });
  });

program
  .command('acrobits-xml')
  .description(
    'Prints what to put into the Account XML of an Acrobits app: where it reports to, and its key. A secret.',
  )
  .argument('<aor>', 'the account, for example 1001@example.com')
  .option('-c, --config <file>', 'configuration', DEFAULT_CONFIG)
  .action(async (text: string, o: { config: string }) => {
    const aor = parseAor(text);
    if (!aor) return fail(`"${text}" is no AOR; expected for example 1001@example.com`);
    const config = loadConfig(o.config, schemasOf(await adapters()));
    const { devices } = config.http;
    if (!devices?.publicUrl)
      return fail(`${o.config}: http.devices with a publicUrl is missing; apps could reach nothing`);
    if (!('pnm' in config.push)) return fail(`${o.config}: push.pnm is missing; the app's tokens would be refused`);
    if (!isServed(config, aor)) {
      return fail(`no PBX of ${o.config} has the realm "${aorRealm(aor)}"; there are ${allRealms(config).join(', ')}`);
    }
    process.stdout.write(acrobitsXml(devices.publicUrl, devices.accountSecret, aor));
  });

program
  .command('vapid-keys')
  .description(
    'Makes a key for web push: `private` for push.webpush.privateKey, `public` for the apps to subscribe with.',
  )
  .action(() => {
    const { privateKey, publicKey } = generateKeys();
    process.stdout.write(`private ${privateKey}\npublic  ${publicKey}\n`);
  });

program
  .command('explain')
  .description('Why a phone rang or did not: sentences, likely cause, remedy, and how well each device wakes.')
  .argument('[of]', 'an account (1001 or 1001@example.com) or a call id; without it: devices that seldom wake')
  .option('-c, --config <file>', 'configuration', DEFAULT_CONFIG)
  .option('--json', 'one JSON object, with the trace of each call')
  .action(async (of: string | undefined, o: { config: string; json?: boolean }) => {
    const config = loadConfig(o.config, schemasOf(await adapters()));
    const [realm, ...others] = allRealms(config);
    const isWhole = of === undefined || /@|^[0-9a-f-]{36}$/.test(of) || realm === '*' || others.length > 0;
    const key = isWhole ? of : `${of}@${realm}`;
    const answer = await askRunning(config.http.admin, key);
    const explained = 'reason' in answer ? await explainFromStore(o.config, key) : answer;
    if (o.json) return void process.stdout.write(`${JSON.stringify(explained)}\n`);
    if ('reason' in answer) process.stderr.write(`Calls are not known: ${answer.reason}. What is stored says:\n`);
    process.stdout.write(`${inLines(explained).join('\n')}\n`);
  });

async function explainFromStore(configFile: string, of: string | undefined): Promise<Explained> {
  const store = await openStore(configFile, 'read');
  const devices: string[] = [];
  const aor = of === undefined ? undefined : parseAor(of);
  if (of !== undefined) devices.push(...explainDevices(aor && (await store.get(aor)), systemClock().now()));
  else for await (const record of store.scan()) devices.push(...seldomIn(record.aor, record.bindings));
  await store.close();
  return { calls: [], devices };
}

const bindings = program.command('bindings').description('Looks at what is stored; also while pushwake runs.');

async function openStore(configFile: string, mode: 'read' | 'write'): Promise<BindingStore> {
  const found = await adapters();
  const { store } = loadConfig(configFile, schemasOf(found));
  const log = createLogger('warn', process.stderr);
  const opened = found.store.get(store.type)?.create(store.options, { clock: systemClock(), log, name: store.type });
  if (!opened) throw new StoreError(`there is no store adapter "${store.type}"`);
  await (mode === 'read' ? opened.openForReading() : opened.open());
  return opened;
}

bindings
  .command('list')
  .description('One line per binding: account, when it ends, app, fingerprints of its tokens.')
  .option('-c, --config <file>', 'configuration', DEFAULT_CONFIG)
  .option('--json', 'one JSON object per line')
  .action(async (o: { config: string; json?: boolean }) => {
    const store = await openStore(o.config, 'read');
    for await (const record of store.scan()) {
      for (const b of record.bindings) {
        const tokens = targetList(b.targets).map((t) => `${t.provider}:${t.token.fingerprint}`);
        const app = targetList(b.targets)[0]?.app ?? '-';
        const endsAt = new Date(b.endsAt).toISOString();
        const state = b.ending ? `ending (${b.ending.reason})` : 'live';
        const wakes = recordInWords(b.wakes);
        const line = o.json
          ? JSON.stringify({ aor: record.aor, bindingId: b.id, state, endsAt, app, tokens, wakes: b.wakes ?? [] })
          : `${record.aor}  ${b.id}  ${state}  ends ${endsAt}  ${app}  ${tokens.join(' ')}  ${wakes}`;
        process.stdout.write(`${line}\n`);
      }
    }
    await store.close();
  });

bindings
  .command('export')
  .description('Writes all records as JSON lines, push tokens included: keep the file as secret as the store.')
  .argument('<file>', 'new file, made with mode 0600')
  .option('-c, --config <file>', 'configuration', DEFAULT_CONFIG)
  .action(async (file: string, o: { config: string }) => {
    const store = await openStore(o.config, 'read');
    let out: number;
    try {
      out = openSync(file, 'wx', 0o600);
    } catch (error) {
      return fail(
        `cannot create ${file} (${(error as NodeJS.ErrnoException).code}); an existing file is not overwritten`,
      );
    }
    let records = -1;
    for await (const line of exportLines(store, new Date(systemClock().now()).toISOString())) {
      writeSync(out, `${line}\n`);
      records++;
    }
    closeSync(out);
    await store.close();
    process.stdout.write(`${records} records written to ${file}\n`);
  });

bindings
  .command('import')
  .description('Reads such a file into the store. Stop pushwake first. A file with a mistake changes nothing.')
  .argument('<file>')
  .option('-c, --config <file>', 'configuration', DEFAULT_CONFIG)
  .option('--replace', 'records that exist already give way; without it they are left as they are')
  .action(async (file: string, o: { config: string; replace?: boolean }) => {
    const store = await openStore(o.config, 'write');
    try {
      const { imported, kept } = await importLines(store, readFileSync(file, 'utf8'), { replace: o.replace ?? false });
      process.stdout.write(`${imported} records imported, ${kept.length} left as they are\n`);
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      fail(`${file}: ${error.message}; nothing was imported`);
    } finally {
      await store.close();
    }
  });

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 2;
}

try {
  await program.parseAsync();
} catch (error) {
  // Every mistake of the file at once, as `check-config` prints them; anything else is a bug and shows its stack.
  if (!(error instanceof ConfigError || error instanceof StoreError)) throw error;
  fail(error.message);
}
