/**
 * A child that cannot outlive us. A small shell starts it and waits on a pipe from us; when the pipe closes (we ended,
 * crashed or were killed with -9) the shell kills the child. The child is only ever addressed by its own pid.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { programEnv } from './shell.ts';

export interface GuardedProcess {
  readonly pid: number;
  /** Resolves when the process has ended, however. */
  readonly exited: Promise<void>;
  /** Undefined while it runs. */
  readonly exitCode: number | undefined;
  /** Does nothing when it has ended already. */
  signal(signal: NodeJS.Signals): void;
}

// "read" in the guard returns at the end of the pipe. The guard is told to go when the child ends first, so that it can
// never kill a stranger that was given the same pid. Descriptor 3, because a background job of sh reads from /dev/null.
// The guard stands before the pid is told: we may be dead by then, and a shell that died of SIGPIPE would guard nothing.
const GUARD = `
exec 3<&0
"$@" </dev/null 3<&- & child=$!
trap '' PIPE
{ read -r _ <&3; kill -KILL "$child"; } >/dev/null 2>&1 & guard=$!
echo "$child"
exec >/dev/null 2>&1
wait "$child"; code=$?
kill "$guard"
exit "$code"
`;

/** Starts a program; what it prints goes to `outputFile`. */
export async function startGuarded(command: readonly string[], outputFile: string): Promise<GuardedProcess> {
  const output = openSync(outputFile, 'w');
  // Detached: Ctrl-C reaches the whole foreground group, and the guard must live to do its work.
  const redirected = ['sh', '-c', `exec "$@" >&2`, 'sh', ...command];
  const shell = spawn('sh', ['-c', GUARD, 'sh', ...redirected], {
    stdio: ['pipe', 'pipe', output],
    detached: true,
    env: programEnv(),
  });
  closeSync(output);
  let exitCode: number | undefined;
  const exited = new Promise<void>((resolve) => {
    shell.once('exit', (code) => {
      exitCode = code ?? -1;
      shell.stdin?.destroy();
      resolve();
    });
  });
  // A write to a guard that has gone is of no interest.
  shell.stdin?.on('error', () => undefined);
  const pid = await firstNumber(shell);
  // From here on neither the child nor its pipes keep a finished test run open; when we go, it goes.
  shell.unref();
  unref(shell.stdin);
  unref(shell.stdout);
  return {
    pid,
    exited,
    get exitCode() {
      return exitCode;
    },
    signal(signal) {
      if (exitCode !== undefined) return;
      try {
        process.kill(pid, signal);
      } catch {
        // Ended this instant.
      }
    },
  };
}

function firstNumber(shell: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    shell.once('error', reject);
    shell.once('exit', (code) => reject(new Error(`the shell that starts Asterisk ended with code ${code}`)));
    shell.stdout?.once('data', (chunk: Buffer) => resolve(Number(chunk.toString().trim())));
  });
}

/** Sockets and pipes can be unreferenced; the stream types do not say so. */
function unref(stream: object | null): void {
  if (stream && 'unref' in stream && typeof stream.unref === 'function') stream.unref();
}
