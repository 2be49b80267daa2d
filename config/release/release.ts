/**
 * `npm run release -- --dry-run`: everything of a release into `dist/release/`: the packages for both processors, the image, the npm package, the
 * apt and rpm repositories, sums, bill of materials, provenance and notes. `--dry-run` signs with a key made for it and publishes
 * nothing; without it `--key <fingerprint>` names the key, and what lies in the folder afterwards is what is to be served.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { billOfMaterials, provenance, releaseNotes } from './bill.ts';
import { debianOf } from './debian.ts';
import { imageOf } from './image.ts';
import { type Signer, sign, throwAwayKey, writeRepositories } from './repository.ts';
import { rpmOf } from './rpm.ts';
import { packageJson, ROOT, run, say, withTree } from './tree.ts';

export interface Release {
  readonly folder: string;
  /** Absolute paths: what is downloaded one by one. */
  readonly files: readonly string[];
}

export function release(folder: string, signer: Signer): Release {
  rmSync(folder, { recursive: true, force: true });
  const files: string[] = [];
  withTree('x64', (tree) => {
    files.push(debianOf(tree, folder, 'x64'), rpmOf(tree, folder, 'x64'), imageOf(tree, folder));
  });
  withTree('arm64', (tree) => {
    files.push(debianOf(tree, folder, 'arm64'), rpmOf(tree, folder, 'arm64'));
  });
  const { version } = packageJson();
  const packed = JSON.parse(run('npm', ['pack', '--silent', '--json', '--pack-destination', folder])) as [
    { filename: string },
  ];
  files.push(join(folder, packed[0].filename));
  const add = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    files.push(join(folder, name));
  };
  add(`pushwake-${version}.cdx.json`, billOfMaterials());
  add('NOTES.md', releaseNotes(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version));
  const commit = run('git', ['rev-parse', 'HEAD']).trim();
  add('provenance.intoto.json', provenance(files, commit));
  writeRepositories(files, join(folder, 'repository'), signer);
  const sums = files.map((file) => `${sum(file)}  ${basename(file)}`).sort();
  writeFileSync(join(folder, 'SHA256SUMS'), `${sums.join('\n')}\n`);
  sign(join(folder, 'SHA256SUMS'), signer);
  return { folder, files };
}

const sum = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean' }, key: { type: 'string' } } });
  if (!values['dry-run'] && values.key === undefined) {
    process.stderr.write('say --dry-run, or --key <fingerprint> of the key that signs\n');
    process.exit(2);
  }
  const home = mkdtempSync(join(tmpdir(), 'pushwake-gpg-'));
  try {
    const signer =
      values.key === undefined
        ? throwAwayKey(home)
        : { home: process.env.GNUPGHOME ?? join(homedir(), '.gnupg'), key: values.key };
    const { folder } = release(join(ROOT, 'dist/release'), signer);
    say(readFileSync(join(folder, 'SHA256SUMS'), 'utf8').trim());
    say(values.key === undefined ? 'a try-out: signed with a key that is gone now' : `to be served: ${folder}`);
  } finally {
    run('gpgconf', ['--kill', 'gpg-agent'], { env: { GNUPGHOME: home } });
    rmSync(home, { recursive: true, force: true });
  }
}
