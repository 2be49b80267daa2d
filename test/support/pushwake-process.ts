/**
 * pushwake as its users run it: a process of its own, from a YAML file, seen from outside by its log lines and signals.
 * Used by the demo and by every test on a real PBX.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface LogLine {
  readonly msg: string;
  readonly level: number;
  readonly [field: string]: unknown;
}

/** Arguments of another way to start it, for a configuration file. */
export type Entry = (file: string) => string[];

/** The options of Node that the command is started with: the first line of `plugin/cli.ts`. */
const AS_SHIPPED = ['--max-semi-space-size=4'];
const CLI = fileURLToPath(new URL('../../plugin/cli.ts', import.meta.url));

export class PushwakeProcess {
  readonly #file: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #entry: Entry | undefined;
  #child: ChildProcess | undefined;
  /** Further options of Node for its next start. */
  nodeOptions: readonly string[] = [];
  #waiters = new Set<() => void>();
  /** Everything it logged, of all its lives. */
  readonly log: LogLine[] = [];
  /** The same as text, and whatever else it printed. */
  output = '';

  constructor(file: string, env: NodeJS.ProcessEnv = {}, entry?: Entry) {
    this.#file = file;
    this.#entry = entry;
    this.#env = env;
    process.once('exit', () => this.#child?.kill('SIGKILL'));
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  configure(yaml: string): void {
    writeFileSync(this.#file, yaml, { mode: 0o600 });
  }

  /** Resolves when it says that it is ready; rejects when it ends before that. */
  async start(): Promise<void> {
    const from = this.log.length;
    this.launch();
    await this.waitForLog((line) => line.msg === 'ready', { from, timeoutMs: 15_000, what: '"ready"' });
  }

  launch(): ChildProcess {
    const child = spawn(
      process.execPath,
      this.#entry?.(this.#file) ?? [...AS_SHIPPED, ...this.nodeOptions, CLI, 'start', '--config', this.#file],
      {
        env: { MALLOC_ARENA_MAX: '1', ...process.env, ...this.#env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.output += `${line}\n`;
      try {
        this.log.push(JSON.parse(line));
      } catch {
        this.log.push({ msg: line, level: 0 });
      }
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      this.#wake();
    });
    child.on('exit', () => {
      if (this.#child === child) this.#child = undefined;
      this.#wake();
    });
    return child;
  }

  /** Orderly, as systemd does it; or at once with SIGKILL. Resolves with the exit code when it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return null;
    const gone = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
    child.kill(signal);
    return gone;
  }

  /** Its exit code once it ends by itself; null: by a signal. */
  ended(): Promise<number | null> {
    const child = this.#child;
    if (!child) throw new Error('pushwake does not run');
    return new Promise((done) => child.once('exit', (code) => done(code)));
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** The first line that fits, from now on or from `from`. */
  async waitForLog(
    fits: (line: LogLine) => boolean,
    o: { from?: number; timeoutMs?: number; what?: string } = {},
  ): Promise<LogLine> {
    let next = o.from ?? 0;
    const deadline = performance.now() + (o.timeoutMs ?? 5_000);
    for (;;) {
      for (; next < this.log.length; next++) {
        const line = this.log[next];
        if (line && fits(line)) return line;
      }
      const left = deadline - performance.now();
      if (left <= 0 || !this.#child) {
        const why = this.#child ? 'did not come' : 'cannot come, pushwake has ended';
        throw new Error(`pushwake: ${o.what ?? 'the log line'} ${why}\n${this.output.slice(-3_000)}`);
      }
      await new Promise<void>((done) => {
        const timer = setTimeout(woken, left);
        const waiters = this.#waiters;
        function woken() {
          clearTimeout(timer);
          waiters.delete(woken);
          done();
        }
        waiters.add(woken);
      });
    }
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}
