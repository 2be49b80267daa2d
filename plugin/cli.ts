#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=4
// A small young generation: V8 would rather grow to 400 MB than collect what a busy minute leaves behind. One arena of malloc: more of them hold
// some 30 MB for threads that hardly use them.
/** The command line. The list of commands is `commands/program.ts`. */
import { runCommand } from './commands/program.ts';

// A reader that has seen enough (`pushwake check | head -1`) is no fault: what is left is written to nobody.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

await runCommand(process.argv.slice(2));
