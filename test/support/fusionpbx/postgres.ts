/** A PostgreSQL of the test's own: its folder, its port on 127.0.0.1, nobody asked for a password. */
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.ts';

const HOME = '/usr/lib/postgresql';

/** Folder of its programs; undefined: there is none. */
export function locatePostgres(): string | undefined {
  const [newest] = existsSync(HOME) ? readdirSync(HOME).sort((a, b) => Number(b) - Number(a)) : [];
  const folder = newest && join(HOME, newest, 'bin');
  return folder && existsSync(join(folder, 'initdb')) ? folder : undefined;
}

export class Postgres {
  readonly port: number;
  readonly #bin: string;
  readonly #folder: string;

  private constructor(bin: string, folder: string, port: number) {
    this.#bin = bin;
    this.#folder = folder;
    this.port = port;
  }

  static async start(): Promise<Postgres> {
    const bin = locatePostgres();
    if (!bin) throw new Error(`there is no PostgreSQL in ${HOME}`);
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-postgres-'));
    // PostgreSQL refuses to run as root.
    if (process.getuid?.() === 0) chownSync(folder, Number(idOf('-u')), Number(idOf('-g')));
    const it = new Postgres(bin, folder, await freePort());
    it.#run('initdb', ['-D', join(folder, 'data'), '-A', 'trust', '-U', 'fusionpbx', '--no-sync']);
    const options = `-p ${it.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder} -c fsync=off`;
    it.#run('pg_ctl', ['-D', join(folder, 'data'), '-l', join(folder, 'log'), '-w', '-o', options, 'start']);
    it.sql('CREATE DATABASE fusionpbx', 'postgres');
    return it;
  }

  sql(text: string, database = 'fusionpbx'): string {
    const args = ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'fusionpbx', '-d', database];
    const ran = spawnSync(join(this.#bin, 'psql'), [...args, '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1'], {
      input: text,
      encoding: 'utf8',
    });
    if (ran.status !== 0) throw new Error(`psql: ${ran.stderr}`);
    return ran.stdout;
  }

  stop(): void {
    this.#run('pg_ctl', ['-D', join(this.#folder, 'data'), '-m', 'immediate', 'stop']);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #run(program: string, args: readonly string[]): void {
    const command = [join(this.#bin, program), ...args];
    const [name = '', ...rest] = process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--', ...command] : command;
    const ran = spawnSync(name, rest, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' });
    if (ran.status !== 0) throw new Error(`${program}: ${ran.stderr ?? ran.error}`);
  }
}

const idOf = (flag: string) => spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim();
