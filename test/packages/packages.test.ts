/**
 * A release as its users get it: installed by apt and rpm from the repositories into a root of their own, run for another processor, and as
 * an image with podman beside a real Asterisk. `npm run test:packages`; needs root, installs what builds them.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { debianOf } from '../../config/release/debian.ts';
import { imageOf } from '../../config/release/image.ts';
import { type Release, release } from '../../config/release/release.ts';
import { throwAwayKey } from '../../config/release/repository.ts';
import { rpmOf } from '../../config/release/rpm.ts';
import { packageJson, ROOT, withTree } from '../../config/release/tree.ts';
import { PHONE_FILES } from '../../plugin/app/phone-files.ts';
import { programEnv, run, tryRun } from '../support/asterisk/shell.ts';
import { freeUdpPort, REALM, Scene } from '../support/scene.ts';
import { bringDebian } from '../support/systemd/machine.ts';

const TOOLS = {
  rpmbuild: 'rpm',
  createrepo_c: 'createrepo-c',
  'apt-ftparchive': 'apt-utils',
  gpg: 'gnupg',
  'qemu-aarch64-static': 'qemu-user-static',
  podman: 'podman',
  runc: 'runc',
  'ansible-playbook': 'ansible',
};
/** What the issue allows, compressed. */
const MOST_IMAGE_BYTES = 120e6;

const { version } = packageJson();
let folder: string;
let made: Release;
let debian: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-packages-'));
  const missing: string[] = [];
  for (const [program, name] of Object.entries(TOOLS)) {
    if ((await tryRun('sh', ['-c', `command -v ${program}`])).code !== 0) missing.push(name);
  }
  if (missing.length > 0) {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run('apt-get', ['update'], { env });
    await run('apt-get', ['install', '-y', '--no-install-recommends', ...missing], { env });
  }
  debian = await bringDebian();
  // One that was made before saves five minutes while a test is being written.
  const there = process.env.PUSHWAKE_RELEASE;
  made = there
    ? {
        folder: there,
        files: readdirSync(there).flatMap((name) => (/^SHA|^repo/.test(name) ? [] : [join(there, name)])),
      }
    : release(join(folder, 'release'), throwAwayKey(join(folder, 'gpg')));
}, 1_800_000);
afterAll(async () => {
  await tryRun('gpgconf', ['--kill', 'gpg-agent'], { env: { GNUPGHOME: join(folder, 'gpg') } });
  rmSync(folder, { recursive: true, force: true });
});

const sum = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
const fileOf = (ending: string): string => {
  const found = made.files.find((file) => file.endsWith(ending));
  if (found === undefined) throw new Error(`the release has no ${ending}`);
  return found;
};
/** A Debian that nobody has changed, for one test. */
function rootOf(name: string): string {
  const root = join(folder, name);
  // With every mode: apt's own user writes to /tmp.
  execFileSync('cp', ['-a', debian, root]);
  return root;
}
const inside = (root: string, program: string, ...args: readonly string[]) =>
  tryRun('chroot', [root, program, ...args], {
    timeoutMs: 120_000,
    env: { LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' },
  });

describe('a release', () => {
  it('is signed, and its sums are those of its files', async () => {
    const listed = readFileSync(join(made.folder, 'SHA256SUMS'), 'utf8').trim().split('\n');
    expect(listed.length).toBe(made.files.length);
    await run('sh', ['-c', `cd ${made.folder} && sha256sum --check --strict SHA256SUMS`]);
    const home = join(folder, 'reader');
    mkdirSync(home, { mode: 0o700 });
    const env = { GNUPGHOME: home };
    await run('gpg', ['--batch', '--import', join(made.folder, 'repository/pushwake.asc')], { env });
    const signed = join(made.folder, 'SHA256SUMS');
    await run('gpg', ['--batch', '--verify', `${signed}.asc`, signed], { env });
    appendFileSync(signed, '\n');
    expect((await tryRun('gpg', ['--batch', '--verify', `${signed}.asc`, signed], { env })).code).not.toBe(0);
  });

  it('is the same when it is built again', () => {
    const again = join(folder, 'again');
    withTree('x64', (tree) => {
      for (const file of [debianOf(tree, again, 'x64'), rpmOf(tree, again, 'x64'), imageOf(tree, again)]) {
        expect(sum(file), basename(file)).toBe(sum(fileOf(basename(file))));
      }
    });
  }, 900_000);

  it('says what is inside, where it comes from and what is new', () => {
    const bill = JSON.parse(readFileSync(fileOf('.cdx.json'), 'utf8'));
    const names = bill.components.map((c: { name: string }) => c.name);
    for (const name of ['fastify', 'firebase-admin', 'node', 'jssip']) expect(names).toContain(name);
    expect(names).not.toContain('vitest');
    const { subject } = JSON.parse(readFileSync(fileOf('provenance.intoto.json'), 'utf8'));
    const deb = fileOf('amd64.deb');
    expect(subject).toContainEqual({ name: basename(deb), digest: { sha256: sum(deb) } });
    // The page of the browser's phone, built, and what is bundled into it said by name.
    const files = execFileSync('dpkg-deb', ['--contents', deb], { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 });
    for (const name of Object.keys(PHONE_FILES))
      expect(files).toContain(`/usr/lib/pushwake/dist/plugin/phone/${name}\n`);
    expect(files).not.toMatch(/node_modules\/(?:jssip|esbuild)\//);
    expect(readFileSync(fileOf('NOTES.md'), 'utf8')).toContain('### Added');
  });
});

describe('apt', () => {
  it('installs it from the signed repository, and refuses one that was changed', async () => {
    const root = rootOf('apt-root');
    cpSync(join(made.folder, 'repository'), join(root, 'srv'), { recursive: true });
    copyFileSync(join(root, 'srv/pushwake.gpg'), join(root, 'etc/apt/keyrings/pushwake.gpg'));
    writeFileSync(
      join(root, 'etc/apt/sources.list'),
      'deb [signed-by=/etc/apt/keyrings/pushwake.gpg] file:/srv/apt stable main\n',
    );
    rmSync(join(root, 'var/lib/apt/lists'), { recursive: true, force: true });
    expect(await inside(root, 'apt-get', 'update')).toMatchObject({ code: 0 });
    const installed = await inside(root, 'apt-get', 'install', '-y', '--no-install-recommends', 'pushwake');
    expect(installed, installed.output).toMatchObject({
      code: 0,
      output: expect.stringContaining('next, run: pushwake init'),
    });
    expect((await inside(root, 'pushwake', '--version')).output.trim()).toBe(version);
    expect((await inside(root, 'stat', '-c', '%U:%G %a', '/etc/pushwake')).output.trim()).toBe('root:pushwake 750');

    appendFileSync(join(root, 'srv/apt/dists/stable/main/binary-amd64/Packages'), '\n');
    appendFileSync(join(root, 'srv/apt/dists/stable/InRelease'), '\n-----BEGIN PGP SIGNATURE-----\n');
    rmSync(join(root, 'srv/apt/dists/stable/Release.gpg'));
    const refused = await inside(root, 'apt-get', 'update', '--error-on=any');
    expect(refused.code, refused.output).not.toBe(0);
  }, 300_000);
});

describe('the Ansible role', () => {
  it('installs the package, keys and a checked configuration; once more it changes nothing; a wrong file changes nothing', async () => {
    const root = rootOf('ansible-root');
    // Ansible's modules are Python, which a server has and the smallest Debian has not.
    expect(await inside(root, 'apt-get', 'update')).toMatchObject({ code: 0 });
    const python = await inside(root, 'apt-get', 'install', '-y', '--no-install-recommends', 'python3', 'python3-apt');
    expect(python, python.output).toMatchObject({ code: 0 });
    const inventory = join(folder, 'inventory');
    writeFileSync(
      inventory,
      `[pbx]\n${root} ansible_connection=community.general.chroot ansible_python_interpreter=/usr/bin/python3\n`,
    );
    const play = (config: string) => {
      const variables = join(folder, 'variables.json');
      writeFileSync(
        variables,
        JSON.stringify({
          pushwake_package: fileOf('amd64.deb'),
          pushwake_config: config,
          pushwake_secrets: [{ name: 'ari-password', content: 'a-secret-of-the-pbx' }],
          pushwake_state: '',
        }),
      );
      const args = ['--inventory', inventory, '--extra-vars', `@${variables}`, join(ROOT, 'config/ansible/site.yml')];
      return tryRun('ansible-playbook', args, { timeoutMs: 250_000, env: { ANSIBLE_NOCOLOR: '1', LC_ALL: 'C.UTF-8' } });
    };
    const right = `pbx: { office: { type: asterisk, url: "http://127.0.0.1:8088", password: "\${file:/etc/pushwake/ari-password}", realm: example.com } }\npush: { log: {} }\n`;
    const first = await play(right);
    expect(first, first.output).toMatchObject({ code: 0, output: expect.stringMatching(/changed=[1-9]/) });
    expect(first.output).not.toContain('a-secret-of-the-pbx');
    expect(readFileSync(join(root, 'etc/pushwake/pushwake.yaml'), 'utf8')).toBe(right);
    expect((await inside(root, 'stat', '-c', '%U:%G %a', '/etc/pushwake/ari-password')).output.trim()).toBe(
      'root:pushwake 640',
    );
    expect((await play(right)).output).toMatch(/changed=0 .*failed=0/);
    expect((await play(right.replace('asterisk', 'asteriks'))).code).not.toBe(0);
    expect(readFileSync(join(root, 'etc/pushwake/pushwake.yaml'), 'utf8')).toBe(right);
  }, 600_000);
});

describe('rpm', () => {
  it('installs into a root, with user, unit and modes, and leaves when it is removed', async () => {
    const root = rootOf('rpm-root');
    await run('rpm', ['--root', root, '--initdb']);
    // Its requirements are names of another distribution's packages; what they stand for is there.
    const options = ['--root', root, '--nodeps', '--ignorearch'];
    await run('rpm', [...options, '--install', fileOf('x86_64.rpm')]);
    expect((await inside(root, 'pushwake', '--version')).output.trim()).toBe(version);
    expect((await inside(root, 'stat', '-c', '%U:%G %a', '/etc/pushwake')).output.trim()).toBe('root:pushwake 750');
    expect((await inside(root, 'getent', 'passwd', 'pushwake')).output).toContain(':/var/lib/pushwake:/sbin/nologin');
    const unit = join(root, 'usr/lib/systemd/system/pushwake.service');
    expect(readFileSync(unit, 'utf8')).toContain('ExecStart=/usr/bin/pushwake start');
    expect((await tryRun('rpm', ['--root', root, '--verify', '--nodeps', 'pushwake'])).output.trim()).toBe('');
    const requires = await run('rpm', ['--query', '--requires', '--package', fileOf('x86_64.rpm')]);
    expect(requires).toContain('glibc >= 2.28');
    await run('rpm', ['--root', root, '--nodeps', '--erase', 'pushwake']);
    for (const path of ['usr/lib/pushwake', 'usr/bin/pushwake', 'usr/lib/systemd/system/pushwake.service']) {
      expect(existsSync(join(root, path)), path).toBe(false);
    }
  }, 300_000);
});

describe('on a Raspberry Pi', () => {
  it('the packages for arm64 hold a Node of that processor, which runs the program', async () => {
    const root = join(folder, 'arm');
    await run('dpkg-deb', ['--extract', fileOf('arm64.deb'), root]);
    expect((await run('dpkg-deb', ['--field', fileOf('arm64.deb'), 'Architecture'])).trim()).toBe('arm64');
    expect(await run('rpm', ['--query', '--queryformat', '%{ARCH}', '--package', fileOf('aarch64.rpm')])).toBe(
      'aarch64',
    );
    // ELF: the machine is the word at 18; 183 is AArch64.
    const node = join(root, 'usr/lib/pushwake/bin/node');
    expect(readFileSync(node).readUInt16LE(18)).toBe(183);
    await bringArmLibraries(root);
    const { stdout } = await promisify(execFile)(
      'qemu-aarch64-static',
      ['-L', root, node, join(root, 'usr/lib/pushwake/dist/plugin/cli.js'), '--version'],
      { env: programEnv(), timeout: 200_000 },
    );
    expect(stdout.trim()).toBe(version);
  }, 400_000);
});

/** Of Debian's packages for arm64, with lists of our own: the machine's apt knows one processor. */
async function bringArmLibraries(root: string): Promise<void> {
  const apt = join(folder, 'apt-arm');
  for (const name of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(apt, name), { recursive: true });
  writeFileSync(join(apt, 'status'), '');
  chmodSync(apt, 0o755);
  const options = [
    'APT::Architecture=arm64',
    'APT::Architectures=arm64',
    `Dir::State::Lists=${join(apt, 'lists')}`,
    `Dir::State::Status=${join(apt, 'status')}`,
    `Dir::Cache=${join(apt, 'cache')}`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  await run('apt-get', [...options, 'update']);
  const get = `apt-get ${options.join(' ')} download libc6:arm64 libstdc++6:arm64 libgcc-s1:arm64`;
  await run('sh', ['-c', `cd ${apt} && ${get}`]);
  await run('sh', ['-c', `for f in ${apt}/*.deb; do dpkg-deb --extract "$f" ${root}; done`]);
}

describe('the image', () => {
  it('is small, has no shell, and belongs to nobody who may write in it', async () => {
    expect(statSync(fileOf('.oci.tar')).size).toBeLessThan(MOST_IMAGE_BYTES);
    expect(await run('podman', ['load', '--quiet', '--input', fileOf('.oci.tar')])).toContain(`pushwake:${version}`);
    const shell = await tryRun('podman', [...RUN, '--entrypoint', '/bin/sh', IMAGE, '-c', 'true']);
    expect(shell.code).not.toBe(0);
    const inspected = JSON.parse(await run('podman', ['image', 'inspect', IMAGE]));
    expect(inspected[0]).toMatchObject({ User: '8470:8470', Config: { StopSignal: 'SIGTERM' } });
  }, 120_000);

  it('runs read-only beside an Asterisk: a sleeping phone rings through it, and it stops in order', async () => {
    const scene = await Scene.start({ name: 'image', withoutPushwake: true });
    const name = `pushwake-test-${process.pid}`;
    try {
      const adminPort = await freeUdpPort();
      const [etc, data] = ['etc', 'data'].map((n) => join(folder, `image-${n}`)) as [string, string];
      for (const path of [etc, data]) mkdirSync(path);
      await run('chown', ['8470:8470', etc, data]);
      const yaml = scene.yaml({
        storePath: '/var/lib/pushwake/bindings.db',
        more: `http: { admin: { listen: "127.0.0.1:${adminPort}" } }\n`,
      });
      writeFileSync(join(etc, 'pushwake.yaml'), await withFiles(yaml, etc));
      await run('chown', ['-R', '8470:8470', etc]);
      const volumes = ['--volume', `${etc}:/etc/pushwake:ro`, '--volume', `${data}:/var/lib/pushwake`];
      await run('podman', [...RUN.filter((o) => o !== '--rm'), '--detach', '--name', name, ...volumes, IMAGE]);
      const logs = async () => (await tryRun('podman', ['logs', name])).output;
      await vi.waitFor(
        async () => expect((await fetch(`http://127.0.0.1:${adminPort}/health/ready`)).status).toBe(200),
        { timeout: 60_000, interval: 500 },
      );
      const caller = await scene.phone('2000');
      await caller.register();
      const phone = await scene.phone('1001', { transport: 'tls' });
      const identity = scene.install();
      await phone.register({ contactParams: identity.params });
      const bound = `http://127.0.0.1:${adminPort}/v1/bindings/${encodeURIComponent(`1001@${REALM}`)}`;
      await vi.waitFor(async () => expect((await fetch(bound)).status).toBe(200), { timeout: 30_000, interval: 250 });
      phone.answer = { kind: 'auto' };
      await phone.sleep();
      const woken = scene.wakeByPush(phone, identity);
      const call = await caller.call('1001');
      expect((await call.done).status).toBe(200);
      await call.hangup();
      woken.stop();
      await run('podman', ['stop', '--time', '15', name]);
      expect(await logs()).toContain('"msg":"stopped"');
      expect(await logs()).toContain(`1001@${REALM}`);
      const [{ State }] = JSON.parse(await run('podman', ['inspect', name]));
      expect(State.ExitCode).toBe(0);
    } finally {
      await tryRun('podman', ['rm', '--force', name]);
      await scene.close();
    }
  }, 300_000);
});

const IMAGE = `localhost/pushwake:${version}`;
/** Limits of its own, because a container engine asks for more than a machine may give; no control groups for the same reason. */
const RUN = [
  'run',
  '--rm',
  '--network=host',
  '--read-only',
  '--runtime=runc',
  '--cgroups=no-conmon',
  '--ulimit=nofile=8192:8192',
  '--ulimit=nproc=1000:1000',
];

/** Files that the configuration names lie outside the container: they are copied in beside it. */
async function withFiles(yaml: string, etc: string): Promise<string> {
  let text = yaml;
  for (const [path] of yaml.matchAll(/\/[\w./-]+\.(?:pem|p8|crt|key|json)\b/g)) {
    if (!existsSync(path)) continue;
    copyFileSync(path, join(etc, basename(path)));
    text = text.replaceAll(path, `/etc/pushwake/${basename(path)}`);
  }
  return text;
}
