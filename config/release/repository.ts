/** Static files that apt and dnf take as a repository, signed with one key. Needs apt-ftparchive (apt-utils), createrepo_c and gpg. */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { builtAt, run, sameTimes, say } from './tree.ts';

export interface Signer {
  /** GnuPG's home with the secret key in it. */
  readonly home: string;
  /** Fingerprint or address of the key. */
  readonly key: string;
}

const SUITE = 'stable';

/** `into/apt` and `into/rpm`, with the public key as `pushwake.asc` (and `pushwake.gpg` for apt's `Signed-By`). */
export function writeRepositories(packages: readonly string[], into: string, signer: Signer): void {
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  writeFileSync(join(into, 'pushwake.asc'), gpg(signer, '--armor', '--export', signer.key));
  run('gpg', ['--batch', '--yes', '--dearmor', '--output', join(into, 'pushwake.gpg'), join(into, 'pushwake.asc')]);
  writeApt(
    packages.filter((file) => file.endsWith('.deb')),
    join(into, 'apt'),
    signer,
  );
  writeRpm(
    packages.filter((file) => file.endsWith('.rpm')),
    join(into, 'rpm'),
    signer,
  );
  // gpg writes for its user alone; a web server and apt's own user must read them.
  run('chmod', ['-R', 'a+rX', into]);
}

function writeApt(debs: readonly string[], into: string, signer: Signer): void {
  say('apt repository');
  const pool = join(into, 'pool');
  mkdirSync(pool, { recursive: true });
  for (const file of debs) copyFileSync(file, join(pool, basename(file)));
  sameTimes(pool);
  const architectures = [...new Set(debs.map((file) => /_([a-z0-9]+)\.deb$/.exec(file)?.[1] ?? ''))].sort();
  const suite = join(into, 'dists', SUITE);
  for (const architecture of architectures) {
    const folder = join(suite, 'main', `binary-${architecture}`);
    mkdirSync(folder, { recursive: true });
    const list = run('apt-ftparchive', ['--arch', architecture, 'packages', 'pool'], { cwd: into });
    writeFileSync(join(folder, 'Packages'), list);
    run('gzip', ['-9nk', join(folder, 'Packages')]);
  }
  const options = {
    Origin: 'pushwake',
    Label: 'pushwake',
    Suite: SUITE,
    Codename: SUITE,
    Components: 'main',
    Architectures: architectures.join(' '),
  };
  const release = run(
    'apt-ftparchive',
    [...Object.entries(options).flatMap(([k, v]) => ['-o', `APT::FTPArchive::Release::${k}=${v}`]), 'release', suite],
    { cwd: into },
  ).replace(/^Date: .*$/m, `Date: ${run('date', ['-u', '-R', `--date=@${builtAt()}`]).trim()}`);
  writeFileSync(join(suite, 'Release'), release);
  gpg(signer, '--clearsign', '--output', join(suite, 'InRelease'), join(suite, 'Release'));
  gpg(signer, '--armor', '--detach-sign', '--output', join(suite, 'Release.gpg'), join(suite, 'Release'));
}

function writeRpm(rpms: readonly string[], into: string, signer: Signer): void {
  say('rpm repository');
  mkdirSync(into, { recursive: true });
  for (const file of rpms) copyFileSync(file, join(into, basename(file)));
  sameTimes(into);
  run('createrepo_c', [
    '--quiet',
    '--no-database',
    '--general-compress-type=gz',
    `--revision=${builtAt()}`,
    '--set-timestamp-to-revision',
    into,
  ]);
  const metadata = join(into, 'repodata', 'repomd.xml');
  gpg(signer, '--armor', '--detach-sign', '--output', `${metadata}.asc`, metadata);
  writeFileSync(
    join(into, 'pushwake.repo'),
    `[pushwake]
name=pushwake
# Where you serve this folder.
baseurl=https://packages.example.org/rpm
enabled=1
# The list of packages with their sums is signed; the packages are found by it.
repo_gpgcheck=1
gpgcheck=0
gpgkey=https://packages.example.org/pushwake.asc
`,
  );
}

/** Signs `file` beside it, as `file.asc`. */
export function sign(file: string, signer: Signer): void {
  gpg(signer, '--armor', '--detach-sign', '--output', `${file}.asc`, file);
}

/** A key that is good for a try-out and for nothing else. */
export function throwAwayKey(home: string): Signer {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const key = 'try-out@pushwake.invalid';
  const signer = { home, key };
  gpg(signer, '--passphrase', '', '--quick-generate-key', `pushwake try-out <${key}>`, 'ed25519', 'sign', '1d');
  return signer;
}

function gpg({ home, key }: Signer, ...args: readonly string[]): string {
  const options = ['--batch', '--yes', '--quiet', '--no-tty', '--pinentry-mode', 'loopback', '--local-user', key];
  return run('gpg', [...options, ...args], { env: { GNUPGHOME: home } });
}
