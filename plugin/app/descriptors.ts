/**
 * How many files and sockets this process may have open, and who gets them. A flood on a listener must not take what the links to
 * the PBX, the push services and the store need: listeners share what is left beside a reserve.
 */
import { readFileSync } from 'node:fs';

/** Undefined: the system does not say (no Linux), or sets no limit. Node has raised its own limit to the hard one by then. */
export function descriptorLimit(): number | undefined {
  try {
    return limitIn(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    return undefined;
  }
}

/** The soft limit in a text such as /proc/self/limits. */
export function limitIn(text: string): number | undefined {
  const soft = /^Max open files\s+(\S+)/m.exec(text)?.[1];
  return soft !== undefined && /^\d+$/.test(soft) ? Number(soft) : undefined;
}

/** What a busy site needs: pushes in flight to several services, links, the store, and its listeners. */
export const DESCRIPTORS_WANTED = 4_096;
/** For links, push services, store and files; never more than half of a small limit. */
const RESERVE = 512;
const MOST_DEVICES = 8_192;
const MOST_ADMIN = 256;

/** Connections each listener takes at the same time. */
export interface ConnectionShares {
  readonly admin: number;
  readonly devices: number;
}

export function connectionShares(limit: number | undefined): ConnectionShares {
  if (limit === undefined) return { admin: MOST_ADMIN, devices: MOST_DEVICES };
  const left = limit - Math.min(RESERVE, Math.floor(limit / 2));
  const admin = Math.max(4, Math.min(MOST_ADMIN, Math.floor(left / 8)));
  return { admin, devices: Math.max(4, Math.min(MOST_DEVICES, left - admin)) };
}
