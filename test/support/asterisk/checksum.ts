/**
 * Proof that the machine's own Asterisk was left alone: its files as they are (path, size, time of last change) and who
 * listens on the usual Asterisk ports. Taken before and after, the two must be equal. An Asterisk that is running on the
 * machine changes its own files meanwhile; compare `difference` by eye there.
 */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MachineFingerprint {
  /** One sentence per file and listening socket, sorted. */
  readonly lines: readonly string[];
  /** SHA-256 over the lines. */
  readonly hash: string;
}

const FOLDERS = ['/etc/asterisk', '/var/lib/asterisk', '/var/run/asterisk', '/var/spool/asterisk', '/var/log/asterisk'];
/** SIP, SIP over TLS, HTTP (ARI), AMI. */
const PORTS = [5060, 5061, 8088, 5038];
/** Linux, include/net/tcp_states.h: LISTEN; an unconnected UDP socket shows as CLOSE. */
const LISTENING: Readonly<Record<string, string>> = { tcp: '0A', tcp6: '0A', udp: '07', udp6: '07' };

export function machineFingerprint(): MachineFingerprint {
  const lines = [...FOLDERS.flatMap(listFolder), ...Object.keys(LISTENING).flatMap(listSockets)].sort();
  return { lines, hash: createHash('sha256').update(lines.join('\n')).digest('hex') };
}

/** What is in one and not in the other: `- gone`, `+ new`. Empty when nothing changed. */
export function difference(before: MachineFingerprint, after: MachineFingerprint): string[] {
  const old = new Set(before.lines);
  const now = new Set(after.lines);
  const gone = before.lines.filter((line) => !now.has(line)).map((line) => `- ${line}`);
  return [...gone, ...after.lines.filter((line) => !old.has(line)).map((line) => `+ ${line}`)];
}

function listFolder(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [`${folder} absent`];
  }
  return names.flatMap((name) => {
    const path = join(folder, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) return [];
    const line = `${path} ${stat.size} ${stat.mtimeMs}`;
    return stat.isDirectory() ? [line, ...listFolder(path)] : [line];
  });
}

function listSockets(protocol: string): string[] {
  let table = '';
  try {
    table = readFileSync(`/proc/net/${protocol}`, 'utf8');
  } catch {
    // A kernel without IPv6 has no such table.
  }
  return table.split('\n').flatMap((row) => {
    const [, local = '', , state] = row.trim().split(/\s+/);
    const port = Number.parseInt(local.split(':')[1] ?? '', 16);
    return PORTS.includes(port) && state === LISTENING[protocol] ? [`${protocol} ${local} listening`] : [];
  });
}
