/** Finds the FreeSWITCH of this machine. Debian has no package of it, so none is brought: it is there, or the tests say so. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface FreeswitchHome {
  readonly program: string;
  /** Folder above `bin`. */
  readonly prefix: string;
}

/** `PUSHWAKE_FREESWITCH` names its prefix (`/usr/local/freeswitch`); without it the PATH is searched. Undefined: there is none. */
export function locateFreeswitch(env: NodeJS.ProcessEnv = process.env): FreeswitchHome | undefined {
  const wanted = env.PUSHWAKE_FREESWITCH;
  const folders = wanted ? [join(wanted, 'bin')] : (env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const folder of folders) {
    const program = join(folder, 'freeswitch');
    try {
      accessSync(program, constants.X_OK);
      return { program, prefix: join(folder, '..') };
    } catch {
      // Not here.
    }
  }
  return undefined;
}
