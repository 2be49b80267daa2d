/** Starts nodes as processes of their own, and counts what they have pushed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fingerprint } from '../../plugin/core/token.ts';
import type { NodeJob } from './site.ts';

const CHILD = fileURLToPath(new URL('./node-child.ts', import.meta.url));

export class NodeProcess {
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;
  #out = '';
  #told: (() => void)[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#out += text;
      for (const told of this.#told.splice(0)) told();
    });
  }

  /** Resolves when the node has joined. */
  static async start(job: NodeJob): Promise<NodeProcess> {
    const node = new NodeProcess(
      spawn(process.execPath, [CHILD, JSON.stringify(job)], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    await node.line(0);
    return node;
  }

  /** The n-th line it printed. */
  async line(n: number): Promise<string> {
    for (;;) {
      const lines = this.#out.split('\n');
      if (lines.length > n + 1) return lines[n] as string;
      const more = new Promise<void>((resolve) => this.#told.push(resolve));
      const ended = this.exited.then((code) => {
        if (this.#out.split('\n').length <= n + 1) throw new Error(`the node ended with ${code}`);
      });
      await Promise.race([more, ended]);
    }
  }

  go(): void {
    this.#child.stdin?.write('go\n');
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}

/** A collapse id (a fingerprint) and its line end, in bytes. */
const COLLAPSE_ID_LINE = fingerprint('').length + 1;

export interface Served {
  /** Different collapse ids: notices that were owed. */
  readonly once: number;
  /** Pushes beyond that: each has the collapse id of one that was sent already. */
  readonly repeats: number;
}

export function served(files: readonly string[]): Served {
  const lines = files.flatMap((f) => (existsSync(f) ? readFileSync(f, 'utf8').split('\n').filter(Boolean) : []));
  const once = new Set(lines).size;
  return { once, repeats: lines.length - once };
}

/** How many pushes so far, repeats and all, without reading them: their collapse ids are all of one length. */
export function pushes(files: readonly string[]): number {
  return files.reduce((sum, f) => sum + (existsSync(f) ? Math.floor(statSync(f).size / COLLAPSE_ID_LINE) : 0), 0);
}
