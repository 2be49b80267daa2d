/** A real redis-server of one's own on 127.0.0.1, that can be killed, frozen and started again over the same data. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GuardedProcess, startGuarded } from '../asterisk/guarded-process.ts';
import { tryRun } from '../asterisk/shell.ts';
import { freePort } from '../free-port.ts';
import { bringRedis, type RedisHome } from './bring.ts';

export interface RedisOptions {
  /** More command line options: `['--requirepass', 'x']`. */
  readonly args?: readonly string[];
  readonly port?: number;
}

export class RedisServer {
  readonly port: number;
  readonly folder: string;
  readonly #home: RedisHome;
  readonly #args: readonly string[];
  #process: GuardedProcess | undefined;

  private constructor(home: RedisHome, port: number, folder: string, args: readonly string[]) {
    this.#home = home;
    this.port = port;
    this.folder = folder;
    this.#args = args;
  }

  static async start(options: RedisOptions = {}): Promise<RedisServer> {
    const home = await bringRedis();
    const port = options.port ?? (await freePort());
    const folder = mkdtempSync(join(tmpdir(), 'pushwake-redis-'));
    const server = new RedisServer(home, port, folder, options.args ?? []);
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it over the data that is there. Resolves when it answers. */
  async restart(): Promise<void> {
    const where = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder];
    const durable = ['--appendonly', 'yes', '--save', ''];
    const log = join(this.folder, 'redis.log');
    this.#process = await startGuarded([...this.#home.server, ...where, ...durable, ...this.#args], log);
    const { exited } = this.#process;
    let ended = false;
    void exited.then(() => {
      ended = true;
    });
    while (!/PONG|NOAUTH/.test((await this.tryCli('ping')).output)) {
      if (ended) throw new Error(`redis-server ended:\n${readFileSync(log, 'utf8')}`);
    }
  }

  /** One command; the answer as redis-cli prints it. */
  async cli(...args: readonly string[]): Promise<string> {
    const { code, output } = await this.tryCli(...args);
    if (code !== 0) throw new Error(`redis-cli ${args.join(' ')}: ${output}`);
    return output.trimEnd();
  }

  tryCli(...args: readonly string[]): Promise<{ code: number; output: string }> {
    const [program = '', ...first] = this.#home.cli;
    return tryRun(program, [...first, '-p', String(this.port), ...args], { timeoutMs: 60_000 });
  }

  freeze(): void {
    this.#process?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#process?.signal('SIGCONT');
  }

  async kill(): Promise<void> {
    // The process is not referenced: without this a program that has nothing else to do would end before it.
    const hold = setInterval(() => undefined, 1_000);
    this.#process?.signal('SIGKILL');
    await this.#process?.exited;
    clearInterval(hold);
  }

  /** While it does not run: as after a crash without an append log. */
  loseData(): void {
    rmSync(join(this.folder, 'appendonlydir'), { recursive: true, force: true });
  }

  /** Ends it and deletes its data. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Three masters, all slots served. `more`: command line options of each. */
export async function startCluster(more: readonly string[] = []): Promise<readonly RedisServer[]> {
  const args = ['--cluster-enabled', 'yes', ...more];
  const nodes: RedisServer[] = [];
  // The bus port is 10,000 above: both must be below 65,536.
  for (let i = 0; i < 3; i++) nodes.push(await RedisServer.start({ args, port: await freePort(55_000) }));
  const addresses = nodes.map((n) => `127.0.0.1:${n.port}`);
  await nodes[0]?.cli('--cluster', 'create', ...addresses, '--cluster-yes');
  for (const node of nodes) {
    while (!(await node.cli('cluster', 'info')).includes('cluster_state:ok'));
  }
  return nodes;
}
