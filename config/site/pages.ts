/**
 * The pages of the site: those of `docs/` and the project's own at the top, copied into one folder. The same files are read on GitHub, so
 * links are written as GitHub wants them; here each is turned into one that works on the site.
 */
import { cpSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

/** Pages at the top of the project that readers of the documentation are sent to. */
const PROJECT = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'RELEASING.md'];

/** A page of the site alone: GitHub shows the folder. */
const DECISIONS = posix.join('adr', 'index.md');

/** Where a file of the project is on the site; undefined for one that is none of its pages, like a source file. */
function placeOf(path: string): string | undefined {
  if (PROJECT.includes(path)) return `project/${path}`;
  if (path === 'docs/adr' || path === 'docs/adr/') return DECISIONS;
  return path.startsWith('docs/') ? path.slice('docs/'.length) : undefined;
}

/**
 * The text with its links turned. `path`: of the page within the project. A link to what is no page of the site stays as its text: without
 * the project's sources beside it, it would lead nowhere. Code is left alone.
 */
export function forSite(text: string, path: string, sources: string | undefined): string {
  const here = posix.dirname(placeOf(path) ?? path);
  const turn = (whole: string, bang: string, label: string, to: string): string => {
    if (/^(?:[a-z]+:|#)/.test(to)) return whole;
    const [file = '', anchor = ''] = to.split(/(?=#)/);
    const target = posix.normalize(posix.join(posix.dirname(path), file));
    const place = placeOf(target);
    if (place !== undefined)
      return `${bang}[${label}](${posix.relative(here, place) || posix.basename(place)}${anchor})`;
    return sources === undefined ? label : `${bang}[${label}](${sources}/${target}${anchor})`;
  };
  // Fenced blocks and code spans, or a link: what comes first wins.
  const parts = /(^( *)```[\s\S]*?^\2```$|`[^`\n]*`(?!\]\())|(!?)\[((?:[^\][]|\[[^\]]*\])*)\]\(([^()\s]+)\)/gm;
  return text.replace(parts, (whole, code, _indent, bang, label, to) =>
    code === undefined ? turn(whole, bang, label, to) : whole,
  );
}

/** Writes all pages into `to`, which is emptied before. `sources`: address of the project's files, without a slash at its end. */
export function writePages(root: string, to: string, sources: string | undefined): void {
  rmSync(to, { recursive: true, force: true });
  for (const path of [...PROJECT, ...globSync('docs/**/*.md', { cwd: root })]) {
    const target = join(to, placeOf(path) ?? path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, forSite(readFileSync(join(root, path), 'utf8'), path, sources));
  }
  // Pictures are taken into the pages; files that pages offer lie as they are.
  cpSync(join(root, 'docs/screenshots'), join(to, 'screenshots'), { recursive: true });
  cpSync(join(root, 'docs/payloads'), join(to, 'public/payloads'), { recursive: true });
  writeFileSync(join(to, DECISIONS), decisions(root));
}

/** `# 0100 A simulated world` of each decision, newest first. */
function decisions(root: string): string {
  const rows = readdirSync(join(root, 'docs/adr'))
    .filter((name) => /^\d{4}-.*\.md$/.test(name))
    .sort()
    .reverse()
    .map((name) => `- [${headingOf(join(root, 'docs/adr', name))}](${name})`);
  return `# Decisions\n\nWhy things are as they are, newest first.\n\n${rows.join('\n')}\n`;
}

/** The first heading of a page, without the marks of code. */
export function headingOf(file: string): string {
  return /^# (.+)$/m.exec(readFileSync(file, 'utf8'))?.[1]?.replaceAll('`', '') ?? '';
}
