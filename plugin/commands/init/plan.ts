/** What `init` would write, as data: files before and after. Pure but for reading; nothing is written here. */
import { existsSync, readFileSync } from 'node:fs';

export interface PlannedFile {
  readonly path: string;
  /** Undefined: there is no such file. */
  readonly before: string | undefined;
  readonly after: string;
  /** Mode of a file that is made new; a file that exists keeps its own. */
  readonly mode: number;
  /** A new file gets owner and mode of this one: what includes it can be read by the PBX, and so can it. */
  readonly like?: string;
  /** A new file may be read by the group of its folder, if that is not root's: the service runs as that group. */
  readonly readers?: 'group of the folder';
}

export interface Plan {
  readonly files: readonly PlannedFile[];
  /** What must be done by hand, or is worth knowing. */
  readonly notes: readonly string[];
  /** Commands that make the PBX read what was written. */
  readonly reload: readonly string[];
}

export const textOf = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

/** A file that shall be exactly so. */
export function whole(path: string, after: string, mode = 0o644, like?: string): PlannedFile {
  return { path, before: textOf(path), after, mode, ...(like === undefined ? {} : { like }) };
}

/** A file that shall end with this line, and is otherwise left as it is. */
export function withLine(path: string, line: string, whenNew = ''): PlannedFile {
  const before = textOf(path);
  const base = before ?? whenNew;
  const has = base.split('\n').some((l) => l.trim() === line);
  const gap = base === '' || base.endsWith('\n') ? '' : '\n';
  return { path, before, after: has ? base : `${base}${gap}${line}\n`, mode: 0o644 };
}

/** The same with the line at its beginning: templates of an included file must stand before what uses them. */
export function withFirstLine(path: string, line: string): PlannedFile {
  const before = textOf(path);
  const base = before ?? '';
  const has = base.split('\n').some((l) => l.trim() === line);
  return { path, before, after: has ? base : `${line}\n${base}`, mode: 0o644 };
}

/** A key of a section of an Asterisk file, set where it stands; added where it does not. Comments and order stay. */
export function withSetting(text: string, section: string, key: string, value: string): string {
  const lines = text.split('\n');
  const head = lines.findIndex((l) => new RegExp(`^\\s*\\[${section}\\]`).test(l));
  if (head < 0) return `[${section}]\n${key} = ${value}\n${text === '' ? '' : `\n${text}`}`;
  const end = lines.findIndex((l, i) => i > head && /^\s*\[/.test(l));
  const last = end < 0 ? lines.length : end;
  const at = lines.findIndex((l, i) => i > head && i < last && new RegExp(`^\\s*${key}\\s*=`).test(l));
  if (at >= 0) return lines.map((l, i) => (i === at ? `${key} = ${value}` : l)).join('\n');
  return [...lines.slice(0, head + 1), `${key} = ${value}`, ...lines.slice(head + 1)].join('\n');
}

/** The value of a key in a section, comments aside; undefined: it does not stand there. */
export function settingOf(text: string | undefined, section: string, key: string): string | undefined {
  let here = false;
  for (const line of (text ?? '').split('\n')) {
    const named = /^\s*\[([^\]]+)\]/.exec(line)?.[1];
    if (named !== undefined) here = named === section;
    const [, k, v] = /^\s*([A-Za-z0-9_-]+)\s*=>?\s*([^;]*)/.exec(line) ?? [];
    if (here && k === key) return v?.trim();
  }
  return undefined;
}

export const changed = (plan: Plan): readonly PlannedFile[] => plan.files.filter((f) => f.before !== f.after);
