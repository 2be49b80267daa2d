/** What is inside, for those who must know it: a bill of materials (CycloneDX), and where a release came from (in-toto, SLSA). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { bundledIn } from '../advisories.ts';
import { builtAt, packageJson, ROOT, run } from './tree.ts';

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

interface Component {
  readonly name: string;
  readonly version: string;
  readonly [more: string]: unknown;
}

/** By npm from the lockfile: the run-time packages, Node, and what the page of the browser's phone is bundled with. Its number and time follow from its content, so that two are the same. */
export function billOfMaterials(): string {
  const made = JSON.parse(
    run('npm', [
      'sbom',
      '--sbom-format',
      'cyclonedx',
      '--omit',
      'dev',
      '--package-lock-only',
      '--sbom-type',
      'application',
    ]),
  ) as { serialNumber: string; metadata: { timestamp: string }; components: Component[] };
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const node = String(devDependencies.node);
  made.components.push({
    'bom-ref': `node@${node}`,
    type: 'framework',
    name: 'node',
    version: node,
    purl: `pkg:generic/node@${node}`,
    licenses: [{ license: { id: 'MIT' } }],
  });
  // In the page of the browser's phone, whatever else has the same package.
  for (const { name, version, license } of bundledIn(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))) {
    if (made.components.some((one) => one.name === name && one.version === version)) continue;
    made.components.push({
      'bom-ref': `${name}@${version}`,
      type: 'library',
      name,
      version,
      purl: `pkg:npm/${name}@${version}`,
      licenses: [{ license: { id: license } }],
    });
  }
  made.metadata.timestamp = new Date(builtAt() * 1_000).toISOString();
  const hex = sha256(JSON.stringify({ ...made, serialNumber: '' }));
  const [a, b, c, d] = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(13, 16), hex.slice(17, 20)];
  made.serialNumber = `urn:uuid:${a}-${b}-4${c}-8${d}-${hex.slice(20, 32)}`;
  return `${JSON.stringify(made, undefined, 2)}\n`;
}

/** An in-toto statement: these files were built from this commit by this command. */
export function provenance(files: readonly string[], commit: string): string {
  return `${JSON.stringify(
    {
      _type: 'https://in-toto.io/Statement/v1',
      subject: files.map((file) => ({ name: basename(file), digest: { sha256: sha256(readFileSync(file)) } })),
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: {
          buildType: 'https://pushwake.example.org/release/v1',
          externalParameters: { command: 'npm run release', version: packageJson().version },
          resolvedDependencies: [
            { uri: 'git+https://pushwake.example.org', digest: { gitCommit: commit } },
            {
              uri: 'package-lock.json',
              digest: { sha256: sha256(readFileSync(join(ROOT, 'package-lock.json'))) },
            },
          ],
        },
        runDetails: {
          builder: { id: 'https://pushwake.example.org/release' },
          metadata: { startedOn: new Date(builtAt() * 1_000).toISOString() },
        },
      },
    },
    undefined,
    2,
  )}\n`;
}

/** The section of this version, or what is not released yet. Throws when there is neither. */
export function releaseNotes(changelog: string, version: string): string {
  for (const heading of [`## [${version}]`, '## [Unreleased]']) {
    const at = changelog.split('\n').findIndex((line) => line.startsWith(heading));
    if (at < 0) continue;
    const below = changelog.split('\n').slice(at + 1);
    const end = below.findIndex((line) => line.startsWith('## '));
    const text = below
      .slice(0, end < 0 ? undefined : end)
      .join('\n')
      .trim();
    if (text !== '') return `${text}\n`;
  }
  throw new Error(`CHANGELOG.md has no section for ${version}`);
}
