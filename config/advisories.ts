/**
 * The public advisories about packages that run in service, as far as they are known to us: `config/advisories.json`. What is
 * installed is compared with it (`npm run advisories`, and a test): a package may be affected only where the file says why it may
 * stay. The registry is not asked; before a release `npm audit --omit=dev` should be, and what it knows besides be added here.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Advisory {
  readonly package: string;
  /** GitHub's name for it. */
  readonly advisory: string;
  /** `2023-04-05` */
  readonly published: string;
  /** `<0.5.0` or `<=2.88.2`. */
  readonly affected: string;
  readonly what: string;
  /** Why an affected version may be installed. Absent: it may not. */
  readonly mayStay?: string;
}

export interface Installed {
  readonly name: string;
  readonly version: string;
}

interface Locked {
  readonly version?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Lockfile {
  readonly packages: Readonly<Record<string, Locked>>;
}

/** What the page of the browser's phone is bundled with (ADR 0144): a development package here, and a part of what is delivered. */
const BUNDLED: readonly string[] = ['jssip', 'idb-keyval'];

export interface Bundled extends Installed {
  readonly license: string;
}

/** The packages in the page of the browser's phone, from a package-lock.json. */
export function bundledIn(lockfile: string): Bundled[] {
  const { packages } = JSON.parse(lockfile) as Lockfile;
  const found = new Map<string, Bundled>();
  const visit = (name: string, above: string): void => {
    // As Node looks for it: of these few packages, none is deeper than one below another.
    const path = [`${above}/node_modules/${name}`, `node_modules/${name}`].find((one) => one in packages) ?? '';
    const { version, license, dependencies = {} } = packages[path] ?? {};
    if (path === '' || version === undefined || license === undefined)
      throw new Error(`${name} is not in the lockfile`);
    if (found.has(path)) return;
    found.set(path, { name, version, license });
    for (const below of Object.keys(dependencies)) visit(below, path);
  };
  for (const name of BUNDLED) visit(name, '');
  return [...found.values()];
}

/** Packages that run in service, in the browsers of users too, from a package-lock.json. */
export function installedIn(lockfile: string): Installed[] {
  const { packages } = JSON.parse(lockfile) as Lockfile;
  const isHere = BUNDLED.every((name) => `node_modules/${name}` in packages);
  const inBrowsers = isHere ? bundledIn(lockfile) : [];
  const here = Object.entries(packages).flatMap(([path, { version, dev, devOptional }]) =>
    path === '' || dev || devOptional || version === undefined
      ? []
      : [{ name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length), version }],
  );
  const isNamed = ({ name, version }: Installed) => here.some((one) => one.name === name && one.version === version);
  return [...here, ...inBrowsers.filter((one) => !isNamed(one)).map(({ name, version }) => ({ name, version }))];
}

export function isAffected(version: string, affected: string): boolean {
  const [, sign, bound = ''] = /^(<=?)(\d+\.\d+\.\d+)$/.exec(affected) ?? [];
  if (sign === undefined) throw new Error(`"${affected}": expected a range such as <1.2.3 or <=1.2.3`);
  const numbers = (text: string) => text.split('-')[0]?.split('.').map(Number) ?? [];
  const [a, b] = [numbers(version), numbers(bound)];
  const differs = [0, 1, 2].find((i) => a[i] !== b[i]);
  return differs === undefined ? sign === '<=' : (a[differs] ?? 0) < (b[differs] ?? 0);
}

export interface Hit {
  readonly installed: Installed;
  readonly advisory: Advisory;
}

/** Every advisory that applies to what is installed. */
export function hitsOf(installed: readonly Installed[], advisories: readonly Advisory[]): Hit[] {
  return installed.flatMap((one) =>
    advisories
      .filter((a) => a.package === one.name && isAffected(one.version, a.affected))
      .map((advisory) => ({ installed: one, advisory })),
  );
}

export function readAdvisories(): Advisory[] {
  return JSON.parse(readFileSync(new URL('advisories.json', import.meta.url), 'utf8')) as Advisory[];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const lockfile = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
  const hits = hitsOf(installedIn(lockfile), readAdvisories());
  for (const { installed, advisory: a } of hits) {
    const verdict = a.mayStay === undefined ? 'MUST GO' : `may stay: ${a.mayStay}`;
    process.stdout.write(
      `${installed.name} ${installed.version}: ${a.advisory} of ${a.published}, ${a.what}; ${verdict}\n`,
    );
  }
  const wrong = hits.filter((h) => h.advisory.mayStay === undefined).length;
  process.stdout.write(`${hits.length} known advisories apply, ${wrong} of them without a reason\n`);
  process.exitCode = wrong === 0 ? 0 : 1;
}
