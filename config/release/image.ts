/**
 * The container image: the tree, and of Debian's packages the C and C++ libraries that Node needs and an init, nothing else; no shell, no
 * package manager. Written as an OCI layout with Docker's index beside it, so that both `podman load` and `docker load` take it.
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { builtAt, packageJson, ROOT, run, sameTimes, say, write } from './tree.ts';

/** Of the Debian that builds it. */
const LIBRARIES = ['libc6', 'libstdc++6', 'libgcc-s1', 'gcc-12-base', 'tini'];

/** The same in every version: volumes keep their owner. Outside the ranges that distributions give to users. */
const USER = 8470;

const PROGRAM = ['/usr/bin/tini', '--', '/usr/bin/pushwake'];

const SECOND_NS = 1_000_000_000;

/** Of a tree of this machine's processor; leaves it as it was. Returns the path of the archive in `folder`. */
export function imageOf(source: string, folder: string): string {
  const { version } = packageJson();
  const work = mkdtempSync(join(tmpdir(), 'pushwake-image-'));
  try {
    say('packing the image');
    const root = join(work, 'root');
    mkdirSync(root);
    for (const file of debianPackages(join(work, 'debs'))) run('dpkg-deb', ['--extract', file, root]);
    for (const name of [
      'usr/share/locale',
      'usr/share/lintian',
      'usr/share/gdb',
      'usr/share/man',
      'etc/ld.so.conf.d',
    ]) {
      rmSync(join(root, name), { recursive: true, force: true });
    }
    run('find', [root, '-type', 'd', '-name', 'gconv', '-prune', '-exec', 'rm', '-rf', '{}', '+']);
    for (const name of ['usr', 'bin', 'sbin']) mkdirSync(join(root, name), { recursive: true });
    cpSync(join(source, 'usr'), join(root, 'usr'), { recursive: true, verbatimSymlinks: true });
    for (const name of ['usr/lib/systemd', 'usr/share/man', 'usr/share/doc/pushwake/docs']) {
      rmSync(join(root, name), { recursive: true, force: true });
    }
    write(join(root, 'usr/bin/pushwake'), readFileSync(join(ROOT, 'config/container/launcher.cjs')), 0o755);
    write(join(root, 'etc/passwd'), `root:x:0:0::/:/none\npushwake:x:${USER}:${USER}::/var/lib/pushwake:/none\n`);
    write(join(root, 'etc/group'), `root:x:0:\npushwake:x:${USER}:\n`);
    write(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
    for (const name of ['etc/pushwake', 'var/lib/pushwake', 'tmp']) mkdirSync(join(root, name), { recursive: true });
    sameTimes(root);
    // The store's folder belongs to the service; all else to root.
    const plain = ['--sort=name', '--numeric-owner', '--format=gnu', `--mtime=@${builtAt()}`, '--owner=0', '--group=0'];
    const layerFile = join(work, 'layer.tar');
    run('tar', ['-C', root, ...plain, '--exclude=./var/lib/pushwake', '--exclude=./tmp', '-cf', layerFile, '.']);
    const owned = plain.map((option) => option.replace(/^(--owner|--group)=0$/, `$1=${USER}`));
    run('tar', ['-C', root, ...owned, '--mode=0700', '-rf', layerFile, './var/lib/pushwake']);
    run('tar', ['-C', root, ...plain, '--mode=1777', '-rf', layerFile, './tmp']);
    return archived(layerFile, work, folder, version);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function debianPackages(into: string): string[] {
  mkdirSync(into, { recursive: true });
  run('apt-get', ['download', '-q', ...LIBRARIES], { cwd: into });
  return run('find', [into, '-name', '*.deb']).trim().split('\n').sort();
}

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

function archived(layerFile: string, work: string, folder: string, version: string): string {
  const layout = join(work, 'layout');
  const blobs = join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const blob = (kind: string, data: Uint8Array): Blob => {
    const sum = createHash('sha256').update(data).digest('hex');
    writeFileSync(join(blobs, sum), data);
    return { mediaType: `application/vnd.oci.image.${kind}`, digest: `sha256:${sum}`, size: data.length };
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const tar = readFileSync(layerFile);
  const layer = blob('layer.v1.tar+gzip', gzipSync(tar, { level: 9 }));
  const created = new Date(builtAt() * 1_000).toISOString();
  const config = blob(
    'config.v1+json',
    json({
      created,
      architecture: 'amd64',
      os: 'linux',
      config: {
        User: `${USER}:${USER}`,
        Env: ['PATH=/usr/bin', 'NODE_ENV=production', 'MALLOC_ARENA_MAX=1'],
        Entrypoint: PROGRAM,
        Cmd: ['start', '--config', '/etc/pushwake/pushwake.yaml'],
        WorkingDir: '/var/lib/pushwake',
        StopSignal: 'SIGTERM',
        Volumes: { '/etc/pushwake': {}, '/var/lib/pushwake': {} },
        // Docker's extension of the form; compose.yaml says it once more for those that leave it out.
        Healthcheck: {
          Test: ['CMD', '/usr/bin/pushwake', 'health'],
          Interval: 30 * SECOND_NS,
          Timeout: 10 * SECOND_NS,
          StartPeriod: 20 * SECOND_NS,
          Retries: 3,
        },
        Labels: {
          'org.opencontainers.image.title': 'pushwake',
          'org.opencontainers.image.version': version,
          'org.opencontainers.image.licenses': 'Apache-2.0',
        },
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(tar).digest('hex')}`] },
      history: [{ created, created_by: 'npm run release' }],
    }),
  );
  const manifest = blob(
    'manifest.v1+json',
    json({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config, layers: [layer] }),
  );
  const path = ({ digest }: Blob) => `blobs/sha256/${digest.slice('sha256:'.length)}`;
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        ...manifest,
        platform: { architecture: 'amd64', os: 'linux' },
        annotations: {
          'org.opencontainers.image.ref.name': version,
          'io.containerd.image.name': `pushwake:${version}`,
        },
      },
    ],
  };
  writeFileSync(join(layout, 'index.json'), json(index));
  writeFileSync(join(layout, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
  writeFileSync(
    join(layout, 'manifest.json'),
    json([{ Config: path(config), RepoTags: [`localhost/pushwake:${version}`], Layers: [path(layer)] }]),
  );
  sameTimes(layout);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `pushwake-${version}-amd64.oci.tar`);
  const packed = `${layout}.tar`;
  run('tar', [
    '-C',
    layout,
    '--sort=name',
    '--numeric-owner',
    '--owner=0',
    '--group=0',
    '--format=gnu',
    '-cf',
    packed,
    '.',
  ]);
  cpSync(packed, file);
  say(`image: ${(statSync(join(layout, path(layer))).size / 1e6).toFixed(1)} MB compressed`);
  return file;
}
