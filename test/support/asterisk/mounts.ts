/**
 * Mounts inside the chroot. The build likes to have /proc there; running Asterisk does not need it, so nothing stays
 * mounted afterwards and the folder can be deleted at any time.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tryRun } from './shell.ts';

/** Mount points at or below a folder, deepest first (the order in which they can be unmounted). */
export function mountsBelow(root: string, table = readFileSync('/proc/self/mounts', 'utf8')): string[] {
  const points = table
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    // The kernel writes blanks, tabs and backslashes of a path as octal escapes.
    .map((point) =>
      point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    );
  return points.filter((point) => point === root || point.startsWith(`${root}/`)).sort((a, b) => b.length - a.length);
}

/** Mounts /proc into the chroot. A container without the right to mount answers the reason; the caller goes on without. */
export async function mountProc(root: string): Promise<string | undefined> {
  const point = join(root, 'proc');
  if (existsSync(join(point, 'self'))) return undefined;
  mkdirSync(point, { recursive: true });
  const { code, output } = await tryRun('mount', ['-t', 'proc', 'proc', point]);
  return code === 0 ? undefined : output.trim() || `mount ended with code ${code}`;
}

/** Unmounts everything below the chroot. Safe to call at any time; throws if something stays busy. */
export async function unmountAll(root: string): Promise<void> {
  for (const point of mountsBelow(root)) {
    const plain = await tryRun('umount', [point]);
    if (plain.code !== 0) await tryRun('umount', ['--lazy', point]);
  }
  const left = mountsBelow(root);
  if (left.length > 0) throw new Error(`cannot unmount ${left.join(', ')}: end what uses it, then run "umount" on it`);
}

/** Deletes a chroot, never what is mounted into it: a bind-mounted /dev would be the machine's own. */
export async function deleteChroot(root: string): Promise<void> {
  await unmountAll(root);
  const { code, output } = await tryRun('rm', ['-rf', '--one-file-system', root]);
  if (code !== 0) throw new Error(`cannot delete ${root}: ${output.trim()}`);
}
