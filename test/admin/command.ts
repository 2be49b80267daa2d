/** Runs a command of pushwake in this process: what it printed and how it ended. A process of its own takes a second each. */
import { vi } from 'vitest';
import { runCommand } from '../../plugin/commands/program.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One at a time: stdout and the exit code belong to the process. */
export async function inProcess(...args: string[]): Promise<Ran> {
  const said = { stdout: '', stderr: '' };
  const caught = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      said[name] += String(text);
      return true;
    }),
  );
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    await runCommand(args);
    return { code: Number(process.exitCode), ...said };
  } finally {
    process.exitCode = before;
    for (const spy of caught) spy.mockRestore();
  }
}
