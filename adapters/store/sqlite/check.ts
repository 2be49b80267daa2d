/** Looks at the store file for `pushwake check`: there, ours, private, on a local disk with room. Makes and changes nothing. */
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { CheckDeps, Finding } from '../../../plugin/ports/finding.ts';
import { inWords } from './trouble.ts';

const GIB = 1024 ** 3;
const LITTLE = 1 * GIB;
const TOO_LITTLE = 0.1 * GIB;
/** Magic numbers of statfs(2): locks there do not hold. */
const REMOTE: Readonly<Record<number, string>> = { 26985: 'NFS', 4283649346: 'CIFS', 4266872130: 'SMB2', 20859: 'SMB' };

export async function* check({ path: configured }: { readonly path: string }, deps: CheckDeps): AsyncIterable<Finding> {
  const path = resolve(configured);
  const what = 'store';
  yield* room(path);
  if (!existsSync(path)) {
    yield canBeMade(path);
    return;
  }
  const { mode, uid } = statSync(path);
  const me = process.getuid?.();
  if ((mode & 0o077) !== 0) {
    const found = `${path} has mode ${(mode & 0o777).toString(8)}, and it holds push tokens`;
    yield { level: 'warn', what, found, remedy: `chmod 600 ${path}` };
  }
  if (me !== undefined && me !== 0 && uid !== me) {
    const found = `${path} belongs to user ${uid}, and this is user ${me}`;
    yield { level: 'warn', what, found, remedy: `run this check as the user pushwake runs as, or chown ${path}` };
  }
  const folder = statSync(dirname(path));
  if (me === 0 && uid !== folder.uid && folder.uid !== 0) {
    const found = `${path} belongs to user ${uid}, its folder to user ${folder.uid}: a service that runs as that one cannot open it`;
    yield { level: 'fail', what, found, remedy: `chown ${folder.uid}:${folder.gid} ${path}*` };
    return;
  }
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: deps.timeoutMs });
    try {
      db.prepare('SELECT count(*) FROM sqlite_master').get();
    } finally {
      db.close();
    }
    const by = deps.running ? ', in use by the running pushwake' : '';
    yield { level: 'ok', what, found: `${path} can be opened${by}` };
  } catch (error) {
    const remedy =
      'put a backup in its place (pushwake bindings import), or move it away: phones then bind again as they register';
    yield { level: 'fail', what, found: inWords(path, error), remedy };
  }
}

function canBeMade(path: string): Finding {
  const what = 'store';
  const folder = existing(dirname(path));
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return { level: 'ok', what, found: `${path} is not there yet and will be made` };
  } catch {
    const remedy = `make ${dirname(path)} and give it to the user pushwake runs as`;
    return { level: 'fail', what, found: `${path} cannot be made: ${folder} may not be written to`, remedy };
  }
}

function* room(path: string): Iterable<Finding> {
  const { bavail, bsize, type } = statfsSync(existing(dirname(path)));
  const free = bavail * bsize;
  const remote = REMOTE[type];
  if (remote) {
    const found = `${path} lies on ${remote}, where locks do not hold`;
    yield { level: 'fail', what: 'store', found, remedy: 'put it on a local disk, or use Redis (docs/scaling.md)' };
  }
  const found = `${(free / GIB).toFixed(1)} GiB are free at ${dirname(path)}`;
  const remedy = 'make room: without it changes of bindings wait in memory';
  if (free < TOO_LITTLE) yield { level: 'fail', what: 'disk', found, remedy };
  else yield free < LITTLE ? { level: 'warn', what: 'disk', found, remedy } : { level: 'ok', what: 'disk', found };
}

/** The nearest folder above that is there. */
function existing(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : existing(dirname(folder));
}
