/**
 * A small site that FreePBX's own generators write: its modules, from checkouts that `PUSHWAKE_FREEPBX` names, run in PHP on a MariaDB
 * that lives for the run (generate.php). What they wrote is loaded into a real Asterisk.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The modules that write this site, each a checkout of FreePBX/<name>, branch release/17.0. */
export const MODULES = [
  'core',
  'ringgroups',
  'queues',
  'findmefollow',
  'callforward',
  'donotdisturb',
  'voicemail',
  'ivr',
  'callrecording',
] as const;

export interface Extension {
  readonly number: string;
  readonly name: string;
  /** The fields "Dial" and "Hint Override" of the page of an extension. */
  readonly dial?: string;
  readonly hint_override?: string;
  /** Voicemail context; absent: none. */
  readonly voicemail?: string;
  /** Further fields, for example a ring time. */
  readonly user?: Readonly<Record<string, string>>;
}

export interface Site {
  readonly extensions: readonly Extension[];
  readonly ringGroups?: readonly { number: string; strategy: string; seconds: number; members: readonly string[] }[];
  readonly queues?: readonly { number: string; strategy: string; members: readonly string[] }[];
  readonly ivrs?: readonly { id: number; keys: Readonly<Record<string, string>> }[];
  readonly followMe?: readonly {
    number: string;
    strategy: string;
    seconds: number;
    members: readonly string[];
    /** Seconds for which the extension rings alone first. */
    first?: number;
  }[];
}

export interface Generated {
  /** FreePBX's own extensions.conf, and what its modules generated for it. */
  readonly extensions: string;
  readonly additional: string;
  readonly queues: string;
  /** What the modules put into AstDB: family, key, value. */
  readonly astdb: readonly (readonly [family: string, key: string, value: string])[];
}

/** What is missing here to run FreePBX's generators; undefined: nothing. */
export function missing(from: string | undefined): string | undefined {
  if (!from) return 'PUSHWAKE_FREEPBX names no folder of FreePBX modules';
  const lacks = MODULES.filter((module) => !existsSync(join(from, module, 'module.xml')));
  if (lacks.length > 0) return `${from} has no checkout of ${lacks.join(', ')}`;
  for (const program of ['php', 'mariadbd', 'mariadb-install-db']) {
    const { status } = spawnSync('sh', ['-c', `command -v ${program}`]);
    if (status !== 0) return `${program} is not installed`;
  }
  const { stdout } = spawnSync('php', ['-m'], { encoding: 'utf8' });
  const modules = ['pdo_mysql', 'SimpleXML'].filter((name) => !stdout.includes(name));
  return modules.length > 0 ? `php lacks ${modules.join(', ')}` : undefined;
}

/** Starts the database, lets the modules write, and ends the database again. */
export async function generate(from: string, site: Site): Promise<Generated> {
  const folder = mkdtempSync(join(tmpdir(), 'pushwake-freepbx-'));
  const socket = join(folder, 'socket');
  try {
    const made = spawnSync(
      'mariadb-install-db',
      [
        '--no-defaults',
        `--datadir=${folder}/db`,
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        ...asRoot,
      ],
      { encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stderr}`);
    const database = spawn(
      'mariadbd',
      ['--no-defaults', `--datadir=${folder}/db`, `--socket=${socket}`, '--skip-networking', ...asRoot],
      { stdio: 'ignore' },
    );
    try {
      for (let i = 0; !existsSync(socket); i++) {
        if (database.exitCode !== null || i > 300) throw new Error('mariadbd does not start');
        await delay(100);
      }
      const script = fileURLToPath(new URL('generate.php', import.meta.url));
      const ran = spawnSync('php', [script, from, folder, socket], { input: JSON.stringify(site), encoding: 'utf8' });
      if (ran.status !== 0) throw new Error(`generate.php: ${ran.stderr}${ran.stdout}`);
    } finally {
      const ended = new Promise((end) => database.once('exit', end));
      if (database.exitCode === null) database.kill();
      await ended;
    }
    const written = (name: string) => readFileSync(join(folder, name), 'utf8');
    return {
      // Its last line is a comment without an end, which would swallow what follows.
      extensions: `${readFileSync(join(from, 'core/etc/extensions.conf'), 'utf8')}\n`,
      additional: written('extensions_additional.conf'),
      queues: written('queues_additional.conf'),
      astdb: written('astdb.jsonl')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as [string, string, string]),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
