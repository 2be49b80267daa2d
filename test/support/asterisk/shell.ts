/** Running programs: what came out, and an error that shows the end of it. Knows nothing of Asterisk. */
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Also append everything the program writes to this file. */
  readonly logFile?: string;
  /** An open file the program holds, too, and with it any lock on that file, even if we die before it. */
  readonly holdFile?: number;
  /** After this many ms the program is killed and the run fails. Default: no limit. */
  readonly timeoutMs?: number;
}

export interface RunResult {
  /** Exit code; -1 when the program could not be started or was killed. */
  readonly code: number;
  /** Standard output and standard error in the order of arrival. */
  readonly output: string;
}

/** Our environment for programs of the system: root by plain "su" has no sbin in its PATH, and chroot hands ours on. */
export function programEnv(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`, LC_ALL: 'C.UTF-8' };
}

/** Runs a program and answers how it ended. Never throws. */
export function tryRun(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: { ...programEnv(), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe', ...(options.holdFile === undefined ? [] : heldAt8(options.holdFile))],
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
    });
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      if (options.logFile) appendFileSync(options.logFile, chunk);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.on('error', (error) => resolve({ code: -1, output: `${output}${error.message}\n` }));
    child.on('close', (code) => resolve({ code: code ?? -1, output }));
  });
}

/** Descriptor 8: shell scripts, debconf among them, like to use the low ones themselves. */
function heldAt8(fd: number): ('ignore' | number)[] {
  return ['ignore', 'ignore', 'ignore', 'ignore', 'ignore', fd];
}

/** Runs a program that must succeed; the error names the program and shows its last lines. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, output } = await tryRun(program, args, options);
  if (code === 0) return output;
  throw new Error(`${program} ${args.join(' ')} ended with code ${code}:\n${lastLines(output, 12)}`);
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
