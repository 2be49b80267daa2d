/** `pushwake init`: asks or takes flags, writes pushwake.yaml, and installs the PBX's snippets with `--install`. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Command } from 'commander';
import { randomId } from '../../adapters/clock/system/index.ts';
import { ConfigFileError, type LoadedConfig, parseConfig } from '../../config/load.ts';
import { adapters, schemasOf } from '../app/adapters.ts';
import { PACKAGE_ROOT } from '../manifest.ts';
import { CommandError, EXIT } from './exit.ts';
import { APNS, FCM, modeOf, parts, refuseOther } from './init/answers.ts';
import { ariUrl, HEP_LISTEN, knownPasswords, looksLikeAsterisk, planAsterisk } from './init/asterisk.ts';
import { unifiedDiff } from './init/diff.ts';
import { extensionsOf, extensionsWithHints, isFreePbx, stillDialled } from './init/freepbx.ts';
import { eventSocketOf, looksLikeFreeswitch, planFreeswitch } from './init/freeswitch.ts';
import { looksLikeFusionpbx, planFusionpbx } from './init/fusionpbx.ts';
import { install, type Written } from './init/install.ts';
import { changed, type Plan, type PlannedFile, whole } from './init/plan.ts';
import { type Undone, undo } from './init/undo.ts';
import { hasWebrtc, stillFromTemplate } from './init/webrtc.ts';
import { type YamlInput, yamlOf } from './init/yaml.ts';
import { load, withConfig } from './setup.ts';
import { ask, isYes, say, sayText, tell } from './terminal.ts';

interface Options {
  readonly config: string;
  readonly pbx?: string;
  readonly asteriskDir: string;
  readonly freeswitchDir?: string;
  readonly realm?: string;
  readonly apns?: string;
  readonly fcm?: string;
  readonly hep: boolean;
  readonly store: string;
  readonly mode?: string;
  readonly install?: boolean;
  readonly extensions?: string;
  readonly webrtc?: boolean;
  readonly undo?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

type Kind = 'asterisk' | 'freeswitch' | 'fusionpbx';

interface Found {
  readonly kind: Kind;
  readonly folder: string;
  /** Undefined: its program is not in the PATH. */
  readonly version: string | undefined;
}

/** `type` in pushwake.yaml. */
const TYPES: Readonly<Record<Kind, 'asterisk' | 'freeswitch'>> = {
  asterisk: 'asterisk',
  freeswitch: 'freeswitch',
  fusionpbx: 'freeswitch',
};

const FREESWITCH_DIRS = ['/etc/freeswitch', '/usr/local/freeswitch/conf', '/opt/freeswitch/conf'];
const PASSWORD_BYTES = 24;

export function addInit(program: Command): void {
  withConfig(program.command('init'))
    .description('Sets up a new site: finds the PBX, writes pushwake.yaml, prints or installs what the PBX needs.')
    .option('--pbx <kind>', 'asterisk, freepbx, freeswitch or fusionpbx; without it what is found, or a question')
    .option('--asterisk-dir <folder>', 'configuration of Asterisk', '/etc/asterisk')
    .option('--freeswitch-dir <folder>', `configuration of FreeSWITCH; without it ${FREESWITCH_DIRS.join(', ')}`)
    .option(
      '--realm <realm>',
      'completes the accounts: 1001 is 1001@realm; * for every domain of FreeSWITCH and FusionPBX',
    )
    .option('--apns <team,bundle,keyId,file>', 'iOS: TEAM123456,com.example.phone,KEY1234567,/etc/pushwake/AuthKey.p8')
    .option('--fcm <project,file>', 'Android: example-phone,/etc/pushwake/service-account.json')
    .option('--no-hep', 'Asterisk: without the copies of REGISTER')
    .option('--store <file>', 'where bindings are kept', '/var/lib/pushwake/bindings.db')
    .option('--mode <mode>', 'observe or full: what a new pushwake.yaml begins with (default: observe)')
    .option('--install', 'change the PBX’s files, each with a backup; without it that is asked, or only shown')
    .option('--extensions <list>', 'FreePBX: all or 1001,1002; their lamps are right while pushwake rings them')
    .option('--webrtc', 'what a phone in the browser needs as well (docs/browser-phone.md)')
    .option('--undo', 'the PBX’s files as they were before; pushwake.yaml and the bindings stay')
    .option('--dry-run', 'write nothing, show every change')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
Passwords are made here and put into both sides. A second run changes nothing that is right already: it takes the passwords
from pushwake.yaml. No file is overwritten without a copy beside it (….before-pushwake). mode stays observe until you say full;
\`--mode full\` suits a PBX that nobody uses yet.

Exit codes: 0 done · 1 a file could not be written · 2 a mistake in the arguments or in a configuration that is there

Examples:
  $ pushwake init --dry-run --realm example.com
  $ pushwake init --realm example.com --install --apns TEAM123456,com.example.phone,KEY1234567,/etc/pushwake/AuthKey.p8`,
    )
    .action((o: Options, command: Command) => run(o, command.getOptionValueSource('asteriskDir') === 'cli'));
}

async function run(o: Options, namesAsterisk: boolean): Promise<void> {
  const answers = !o.json && !o.dryRun;
  const { kind, folder } = await findPbx(o, answers, namesAsterisk);
  const version = await versionOf(kind);
  if (!o.json) say(`${NAMES[kind]} in ${folder}${version === undefined ? '' : `, version ${version}`}`);
  if (o.undo) return takeBack(o, kind, folder, version);
  const { yaml, plan: steps } = existsSync(o.config)
    ? await fromConfig(o, { kind, folder, version })
    : await fromAnswers(o, { kind, folder, version }, answers);
  const { push } = yaml === undefined ? (await load(o.config)).config : await withoutMistakes(o.config, yaml);
  const plan: Plan = { ...steps, notes: [...keysNotThere(push), ...steps.notes] };
  const config =
    yaml === undefined ? [] : [{ ...whole(o.config, yaml, 0o600), readers: 'group of the folder' as const }];
  const pbxFiles = changed(plan);
  if (o.dryRun) return showPlan(o, [...config, ...pbxFiles], plan);

  const written = writeAll(config);
  let isInstalled = o.install ?? false;
  if (!isInstalled && pbxFiles.length > 0 && !o.json) {
    for (const file of pbxFiles) sayText(unifiedDiff(file.path, file.before, file.after));
    isInstalled = answers && isYes(await ask(`Change these ${pbxFiles.length} files of ${NAMES[kind]} now? [y/N] `));
  }
  if (isInstalled) written.push(...writeAll(pbxFiles));
  const left = isInstalled ? [] : pbxFiles.map((f) => f.path);
  if (o.json) return say(JSON.stringify({ kind, folder, written, left, notes: plan.notes, reload: plan.reload }));
  tellOutcome(o, written, left, plan);
}

const NAMES: Readonly<Record<Kind, string>> = {
  asterisk: 'Asterisk',
  freeswitch: 'FreeSWITCH',
  fusionpbx: 'FusionPBX',
};

// ── What is there ────────────────────────────────────────────────────────────────────────────────────────────────────

async function findPbx(o: Options, answers: boolean, namesAsterisk: boolean): Promise<{ kind: Kind; folder: string }> {
  // Who names the folder of one PBX means that one, whatever else is on the machine.
  const looksFor = { asterisk: namesAsterisk || o.freeswitchDir === undefined, freeswitch: !namesAsterisk };
  const freeswitch = o.freeswitchDir ?? (looksFor.freeswitch ? FREESWITCH_DIRS.find(looksLikeFreeswitch) : undefined);
  const found: { kind: Kind; folder: string }[] = [
    ...(looksFor.asterisk && looksLikeAsterisk(o.asteriskDir)
      ? [{ kind: 'asterisk' as const, folder: o.asteriskDir }]
      : []),
    ...(freeswitch && looksLikeFreeswitch(freeswitch) ? [{ kind: freeswitchKind(o), folder: freeswitch }] : []),
  ];
  if (o.pbx !== undefined && !['asterisk', 'freepbx', 'freeswitch', 'fusionpbx'].includes(o.pbx)) {
    throw new CommandError(`--pbx: expected asterisk, freepbx, freeswitch or fusionpbx, found "${o.pbx}"`);
  }
  const isFree = isFreePbx(o.asteriskDir);
  if (o.pbx === 'freepbx' && !isFree) {
    throw new CommandError(`--pbx freepbx: ${o.asteriskDir} has no extensions_additional.conf, which FreePBX writes`);
  }
  if (o.extensions !== undefined && !isFree) throw new CommandError('--extensions: only for FreePBX');
  const named = o.pbx === 'freepbx' ? 'asterisk' : o.pbx;
  const wanted =
    named ?? (found.length > 1 && answers ? await ask('Asterisk or FreeSWITCH? [asterisk/freeswitch] ') : undefined);
  const of = wanted ? found.filter((f) => f.kind === wanted || TYPES[f.kind] === wanted) : found;
  const [only, ...others] = of;
  if (only && others.length === 0) return only;
  if (only) throw new CommandError('both Asterisk and FreeSWITCH are here; say --pbx asterisk or --pbx freeswitch');
  const places = `${o.asteriskDir} and ${o.freeswitchDir ?? FREESWITCH_DIRS.join(', ')}`;
  throw new CommandError(
    `no PBX configuration found in ${places}; name its folder with --asterisk-dir or --freeswitch-dir, or run this where the PBX is`,
  );
}

/** FusionPBX is a FreeSWITCH whose dialplan comes out of a database: its files are others. */
const freeswitchKind = (o: Options): Kind =>
  o.pbx === 'fusionpbx' || (o.pbx === undefined && looksLikeFusionpbx()) ? 'fusionpbx' : 'freeswitch';

/** What its own program says; undefined where there is none in the PATH. */
function versionOf(kind: Kind): Promise<string | undefined> {
  const [program, args] = TYPES[kind] === 'asterisk' ? ['asterisk', ['-V']] : ['freeswitch', ['-version']];
  return new Promise((resolve) => {
    execFile(program as string, args as string[], { timeout: 3_000 }, (error, stdout) => {
      const version = /\d+\.\d+\S*/.exec(stdout)?.[0];
      resolve(error ? undefined : version);
    });
  });
}

// ── What shall be ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A configuration that is there is right or it is an error; its passwords are the ones the PBX gets. */
async function fromConfig(o: Options, { kind, folder, version }: Found): Promise<{ yaml: undefined; plan: Plan }> {
  const { config } = await load(o.config);
  if (o.mode !== undefined && o.mode !== config.mode) {
    throw new CommandError(`--mode: ${o.config} is there and says ${config.mode}; change it there`);
  }
  const entry = Object.values(config.pbx).find((p) => p.type === TYPES[kind]);
  if (!entry)
    throw new CommandError(
      `${o.config} is there and has no PBX of type ${TYPES[kind]}; add it there, or move the file away`,
    );
  const options = entry.options as { realm: string; password: string; hep?: { listen: string; password?: string } };
  const { password, hep } = options;
  const webrtc = o.webrtc ?? false;
  refuseOther(o, options.realm, config.push);
  const plan =
    kind === 'asterisk'
      ? planAsterisk({
          folder,
          password,
          hep: hep?.password === undefined ? undefined : { listen: hep.listen, password: hep.password },
          extensions: extensionsOf(o.extensions),
          version,
          webrtc,
        })
      : kind === 'fusionpbx'
        ? planFusionpbx({ folder, site: folder, webrtc })
        : planFreeswitch({ folder, password, webrtc });
  return { yaml: undefined, plan };
}

/** What `check-config` would refuse is not written: the mistake is in the answers, and they are still at hand. */
async function withoutMistakes(file: string, yaml: string): Promise<LoadedConfig> {
  try {
    return parseConfig(file, yaml, schemasOf(await adapters()));
  } catch (error) {
    if (!(error instanceof ConfigFileError)) throw error;
    const said = error.mistakes.map(({ path, message }) => {
      const [, flag] = FLAGS.find(([of]) => path.startsWith(of)) ?? [];
      return `${flag === undefined ? '' : `${flag}: `}${path.split('.').at(-1)}: ${message}`;
    });
    throw new CommandError(`${said.join('\n')}\nnothing was written`);
  }
}

/** pushwake does not start without the key files that its configuration names. */
function keysNotThere(push: LoadedConfig['push']): string[] {
  return Object.values(push)
    .flatMap(({ options }) => (options as { apps?: readonly { key?: unknown; serviceAccount?: unknown }[] }).apps ?? [])
    .flatMap((app) => [app.key, app.serviceAccount])
    .filter((file): file is string => typeof file === 'string' && isAbsolute(file) && !existsSync(file))
    .map((file) => `the key file ${file} is not there yet: pushwake does not start without it`);
}

/** Where an answer stands in the configuration, and the flag that gives it. */
const FLAGS = [
  ['push.apns', '--apns'],
  ['push.fcm', '--fcm'],
  ['store', '--store'],
  ['pbx', '--realm'],
] as const;

async function fromAnswers(
  o: Options,
  { kind, folder, version }: Found,
  answers: boolean,
): Promise<{ yaml: string; plan: Plan }> {
  const question = (text: string) => (answers ? ask(text) : Promise.resolve(undefined));
  // Several tenants are the rule there, and the same number may be in each.
  const every = kind === 'fusionpbx' ? '*' : undefined;
  const realm =
    o.realm ?? every ?? (await question('Realm of the accounts (1001 is 1001@realm), for example example.com: '));
  if (!realm || !(kind === 'asterisk' ? /^[A-Za-z0-9.-]+$/ : /^(?:[A-Za-z0-9.-]+|\*)$/).test(realm)) {
    throw new CommandError(
      `--realm: expected a host name, for example example.com${realm ? `, found "${realm}"` : ''}`,
    );
  }
  const apns = parts(
    '--apns',
    APNS,
    o.apns ?? (await question('iOS key as teamId,bundleId,keyId,file of the .p8 (empty: later): ')),
  );
  const fcm = parts(
    '--fcm',
    FCM,
    o.fcm ?? (await question('Android key as projectId,file of the service account (empty: later): ')),
  );
  const mode = modeOf(o.mode);
  const webrtc = o.webrtc ?? false;
  const common = { mode, schema: join(PACKAGE_ROOT, 'config', 'schema.json'), store: o.store, realm, apns, fcm };
  if (kind === 'asterisk') {
    const known = knownPasswords(folder);
    const password = known.ari ?? randomId(PASSWORD_BYTES);
    const hep = o.hep ? { listen: HEP_LISTEN, password: known.hep ?? randomId(PASSWORD_BYTES) } : undefined;
    const pbx: YamlInput['pbx'] = { type: 'asterisk', url: ariUrl(folder), password, hep };
    return {
      yaml: yamlOf({ ...common, pbx }),
      plan: planAsterisk({ folder, password, hep, extensions: extensionsOf(o.extensions), version, webrtc }),
    };
  }
  const socket = eventSocketOf(folder);
  const password = socket.password ?? randomId(PASSWORD_BYTES);
  if (kind === 'fusionpbx' && socket.password === undefined) {
    throw new CommandError(
      `${folder} has no autoload_configs/event_socket.conf.xml with a password: is FusionPBX installed?`,
    );
  }
  const pbx: YamlInput['pbx'] = { type: 'freeswitch', port: socket.port, password };
  return {
    yaml: yamlOf({ ...common, pbx }),
    plan:
      kind === 'fusionpbx'
        ? planFusionpbx({ folder, site: folder, webrtc })
        : planFreeswitch({ folder, password, webrtc }),
  };
}

// ── Back again ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** With the passwords that are in the PBX's files: they say what `init` wrote. */
function takeBack(o: Options, kind: Kind, folder: string, version: string | undefined): void {
  const known = kind === 'asterisk' ? knownPasswords(folder) : {};
  const hep = known.hep === undefined ? undefined : { listen: HEP_LISTEN, password: known.hep };
  const extensions = kind === 'asterisk' ? extensionsWithHints(folder) : undefined;
  const webrtc = kind === 'asterisk' && hasWebrtc(folder);
  const planIn = (at: string): Plan =>
    kind === 'asterisk'
      ? planAsterisk({ folder: at, password: known.ari ?? '', hep, extensions, version, webrtc })
      : kind === 'fusionpbx'
        ? planFusionpbx({ folder: at, site: folder, webrtc })
        : planFreeswitch({ folder: at, password: eventSocketOf(folder).password ?? '', webrtc });
  const undone = undo(folder, planIn, !o.dryRun);
  if (o.json) return say(JSON.stringify({ kind, folder, undone }));
  for (const { path, how } of undone) say(`${path}: ${UNDONE[how]}`);
  for (const note of kind === 'asterisk' ? [...stillDialled(folder), ...stillFromTemplate(folder)] : [])
    say(`note: ${note}`);
  if (undone.length === 0) return say('Nothing of pushwake is in its files.');
  say(o.dryRun ? 'Nothing was written.' : `Now: ${isFreePbx(folder) ? 'fwconsole reload' : RELOAD_AFTER_UNDO[kind]}`);
}

const UNDONE: Readonly<Record<Undone['how'], string>> = {
  'as it was': 'as it was before pushwake',
  removed: 'removed, it was not there before',
  'our lines removed': 'changed since, so only pushwake’s lines are removed; compare it with the copy beside it',
  kept: 'changed since, and left as it is; compare it with the copy beside it',
};
const RELOAD_AFTER_UNDO: Readonly<Record<Kind, string>> = {
  asterisk: 'asterisk -rx "core reload"',
  freeswitch: 'fs_cli -x reloadxml',
  fusionpbx: 'the row of local_extension as it was, then fs_cli -x reloadxml',
};

// ── What became of it ────────────────────────────────────────────────────────────────────────────────────────────────

function writeAll(files: readonly PlannedFile[]): Written[] {
  const written: Written[] = [];
  for (const file of files) {
    try {
      written.push(...install([file]));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      const done = written.map((w) => w.path).join(', ') || 'nothing';
      throw new CommandError(`cannot write ${file.path} (${code}); written before that: ${done}`, EXIT.failed);
    }
  }
  return written;
}

function showPlan(o: Options, files: readonly PlannedFile[], plan: Plan): void {
  const diffs = files.map((f) => unifiedDiff(f.path, f.before, f.after));
  if (o.json)
    return say(JSON.stringify({ files: files.map((f) => f.path), diffs, notes: plan.notes, reload: plan.reload }));
  for (const diff of diffs) sayText(diff);
  say(files.length === 0 ? 'Nothing would change.' : `${files.length} files would change; nothing was written.`);
}

function tellOutcome(o: Options, written: readonly Written[], left: readonly string[], plan: Plan): void {
  for (const { path, backup } of written) say(`written: ${path}${backup ? ` (as it was: ${backup})` : ''}`);
  if (written.length === 0 && left.length === 0) say('Everything is as it should be already; nothing was written.');
  if (left.length > 0)
    tell(`not changed: ${left.join(', ')}; run it again with --install, or make the changes above by hand`);
  for (const note of plan.notes) say(`note: ${note}`);
  say('Now:');
  if (written.length > 0 || left.length > 0) for (const command of plan.reload) say(`  ${command}`);
  say(`  pushwake check -c ${o.config}`);
}
