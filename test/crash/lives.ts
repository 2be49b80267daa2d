/** Lives of a pushwake that is killed: a child process each, and how it ended. */
import { spawn } from 'node:child_process';

/** `killed`: by itself, at the boundary that it was given. Rejects when it ended otherwise. */
export function live(child: string, ...args: readonly string[]): Promise<'killed' | 'finished'> {
  return new Promise((resolve, reject) => {
    const life = spawn(process.execPath, [child, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    life.stderr.on('data', (text: Buffer) => {
      errors += text;
    });
    life.on('exit', (code, signal) => {
      if (signal === 'SIGKILL') resolve('killed');
      else if (code === 0) resolve('finished');
      else reject(new Error(`the child ended with ${code}: ${errors.slice(-2_000)}`));
    });
  });
}
