/**
 * Which Debian mirror does this machine use? Read from its own apt sources, so that a build works behind a company
 * mirror and no mirror's name stands in this project. Pure: text in, URL out, except for `readAptSources`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
}

/** The one-line format: `deb [options] uri suite component…`. */
export function parseListFile(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match) sources.push({ uri: match[1]!, suite: match[2]!, components: words(match[3]!) });
  }
  return sources;
}

/** The deb822 format: stanzas of `Field: value`, continued lines indented. */
export function parseSourcesFile(text: string): AptSource[] {
  const sources: AptSource[] = [];
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  for (const stanza of withoutComments.split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    for (const match of stanza.matchAll(/^([A-Za-z-]+):((?:.*\n?)(?:[ \t].*\n?)*)/gm)) {
      fields.set(match[1]!.toLowerCase(), match[2]!);
    }
    if (fields.get('enabled')?.trim() === 'no' || !words(fields.get('types') ?? '').includes('deb')) continue;
    for (const uri of words(fields.get('uris') ?? '')) {
      for (const suite of words(fields.get('suites') ?? '')) {
        sources.push({ uri, suite, components: words(fields.get('components') ?? '') });
      }
    }
  }
  return sources;
}

/**
 * The mirror that carries Debian itself: component `main`, the machine's own release, and reachable by debootstrap.
 * Third-party sources also use `main`, but not with Debian's release names; the security archive has no `sid`.
 */
export function chooseMirror(sources: readonly AptSource[], codename: string): string | undefined {
  const usable = sources.filter(
    ({ uri, components }) => components.includes('main') && /^(https?|file|ftp):/.test(uri) && !/security/.test(uri),
  );
  const ofRelease = (suites: readonly string[]) => usable.filter(({ suite }) => suites.includes(suite));
  const candidates = [...ofRelease([codename]), ...ofRelease(['stable', 'testing', 'unstable', 'sid'])];
  // Two sources may both carry the release; Debian's own archive is conventionally called /debian.
  const chosen = candidates.find(({ uri }) => /\/debian\/?$/.test(uri)) ?? candidates[0];
  return chosen?.uri.replace(/\/$/, '');
}

export function readAptSources(aptDir = '/etc/apt'): AptSource[] {
  const sources = parseListFile(readIfThere(join(aptDir, 'sources.list')));
  let names: string[] = [];
  try {
    names = readdirSync(join(aptDir, 'sources.list.d')).sort();
  } catch {
    // A machine with only sources.list has no such folder.
  }
  for (const name of names) {
    const text = () => readIfThere(join(aptDir, 'sources.list.d', name));
    if (name.endsWith('.sources')) sources.push(...parseSourcesFile(text()));
    else if (name.endsWith('.list')) sources.push(...parseListFile(text()));
  }
  return sources;
}

/** `VERSION_CODENAME` of /etc/os-release, or undefined when this is no Debian. */
export function debianCodename(osRelease = readIfThere('/etc/os-release')): string | undefined {
  if (!/^ID="?debian"?$/m.test(osRelease)) return undefined;
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(osRelease)?.[1] ?? 'sid';
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
