/**
 * `pushwake init --undo`: the PBX's files as they were. A file that is as `init` left it gets the bytes of the copy beside it back, or goes
 * when it was not there before. One that somebody changed since loses our lines only, and the copy stays.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { withoutHints } from './freepbx.ts';
import { install } from './install.ts';
import { type Plan, textOf } from './plan.ts';

export interface Undone {
  readonly path: string;
  /** `kept`: it was changed since, in a way that cannot be taken apart. */
  readonly how: 'as it was' | 'removed' | 'our lines removed' | 'kept';
}

const COPY = '.before-pushwake';
/** The plan leaves these out where they are right already. */
const ONLY_WHEN_NEEDED = ['hep.conf', join('autoload_configs', 'event_socket.conf.xml')];
const OUR_LINE =
  /^\s*(?:#include "pushwake-(?:ari|extensions|webrtc)\.conf"|<param name="script-directory" value="[^"]*\/pushwake\/lua\/\?\.lua"\/>)\s*$/;

/** `planIn`: what `init` would write in a folder, with the passwords of this site. `write` false: only says what it would do. */
export function undo(folder: string, planIn: (folder: string) => Plan, write: boolean): Undone[] {
  const before = mkdtempSync(join(tmpdir(), 'pushwake-undo-'));
  try {
    const planned = planIn(folder).files.map((file) => file.path);
    const ours = [...new Set([...planned, ...ONLY_WHEN_NEEDED.map((name) => join(folder, name))])];
    layOut(folder, before, ours);
    const then = new Map(planIn(before).files.map((file) => [relative(before, file.path), file]));
    return ours.flatMap((path): Undone[] => {
      const text = textOf(path);
      const planned = then.get(relative(folder, path));
      if (text === undefined || planned === undefined) return [];
      const how = howBack(path, text, planned);
      if (write && how) carryOut(path, text, how);
      return how ? [{ path, how }] : [];
    });
  } finally {
    rmSync(before, { recursive: true, force: true });
  }
}

function howBack(
  path: string,
  text: string,
  planned: { before: string | undefined; after: string },
): Undone['how'] | undefined {
  if (isOursByName(path)) return 'removed';
  const [copy] = copiesOf(path);
  if (copy !== undefined) {
    const was = textOf(copy);
    if (planned.after === text || withoutOurs(text) === was || withoutOurs(text) === `${was}\n`) return 'as it was';
    return withoutOurs(text) === text ? 'kept' : 'our lines removed';
  }
  if (planned.after === text) return 'removed';
  return withoutOurs(text) === text ? undefined : 'our lines removed';
}

function carryOut(path: string, text: string, how: Undone['how']): void {
  const [first, ...later] = copiesOf(path);
  if (how === 'kept') return;
  if (how === 'our lines removed') {
    const { mode } = statSync(path);
    const [written] = install([{ path, before: text, after: withoutOurs(text), mode: mode & 0o777 }]);
    if (written?.backup) rmSync(written.backup);
    return;
  }
  // The copy has owner and mode of the file.
  if (how === 'as it was' && first !== undefined) renameSync(first, path);
  else for (const gone of [path, ...(first === undefined ? [] : [first])]) rmSync(gone);
  for (const copy of later) rmSync(copy);
}

/** Copies the PBX's files, each as it was before the first `init`; one of ours without a copy beside it was not there. */
function layOut(folder: string, to: string, ours: readonly string[]): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const [copy] = copiesOf(path);
    if (!entry.isFile() || !/\.(?:conf|xml)$/.test(path) || (ours.includes(path) && copy === undefined)) continue;
    const place = join(to, relative(folder, path));
    mkdirSync(dirname(place), { recursive: true });
    copyFileSync(copy ?? path, place);
  }
}

const isOursByName = (path: string): boolean => /^pushwake[-.]/.test(basename(path));

const withoutOurs = (text: string): string =>
  withoutHints(text)
    .split('\n')
    .filter((line) => !OUR_LINE.test(line))
    .join('\n');

/** The oldest first: that is the file from before the first `init`. */
function copiesOf(path: string): string[] {
  const name = `${basename(path)}${COPY}`;
  const number = (one: string) => Number(one.slice(name.length + 1) || 0);
  return readdirSync(dirname(path))
    .filter((one) => one === name || (one.startsWith(`${name}.`) && /^\d+$/.test(one.slice(name.length + 1))))
    .sort((a, b) => number(a) - number(b))
    .map((one) => join(dirname(path), one));
}
