/**
 * A copy of a whole system in which everything can be written and which leaves nothing behind, and the pages of docs/ as commands to type
 * there. What a copy has not (systemd) is replaced by scripts that do what the unit says.
 */
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildPackage } from '../../config/release/debian.ts';
import type { ApnsStandIn } from './apns-stand-in/index.ts';
import { mountProc, unmountAll } from './asterisk/mounts.ts';

const run = promisify(execFile);

/** What the pages name, and the stand-in for Apple has under other names. */
const PAGES_APP = { teamId: 'TEAM123456', bundleId: 'com.example.phone', keyId: 'KEY1234567' } as const;

/** In place of systemctl: it starts what the package's unit says, as the user that it says. `restart` is the PBX's own. */
const systemctl = (pbx: string, restart: string) => `#!/bin/sh
set -e
unit=/lib/systemd/system/pushwake.service
value() { sed -n "s/^$1=//p" $unit; }
case "$*" in
  "restart ${pbx}")
${restart} ;;
  "enable --now pushwake")
    install -d -m "$(value StateDirectoryMode)" -o pushwake -g pushwake /var/lib/pushwake
    setpriv --reuid "$(value User)" --regid "$(value Group)" --init-groups $(value ExecStart) >/var/log/pushwake.log 2>&1 &
    echo $! >/run/pushwake.pid
    until grep -qs '"ready"' /var/log/pushwake.log; do kill -0 $(cat /run/pushwake.pid) || { cat /var/log/pushwake.log >&2; exit 1; }; sleep 0.1; done ;;
  "reload pushwake")
    before=$(grep -c 'configuration applied' /var/log/pushwake.log || true)
    kill -HUP $(cat /run/pushwake.pid)
    until [ "$(grep -c 'configuration applied' /var/log/pushwake.log)" -gt "$before" ]; do sleep 0.1; done ;;
  "stop pushwake")
    kill $(cat /run/pushwake.pid) 2>/dev/null && timeout 15 tail --pid=$(cat /run/pushwake.pid) -f /dev/null || true ;;
  *) echo "systemctl $*: not on this page" >&2; exit 1 ;;
esac
`;
const JOURNALCTL = '#!/bin/sh\ncat /var/log/pushwake.log\n';

/** What `systemctl restart asterisk` is where there is no systemd, and what ends it: nothing may still use what is unmounted next. */
export const ASTERISK = {
  restart: `    if asterisk -rx "core waitfullybooted" >/dev/null 2>&1; then asterisk -rx "core stop now"; while [ -e /run/asterisk/asterisk.ctl ]; do sleep 0.1; done; fi
    install -d -o asterisk -g asterisk /run/asterisk
    asterisk -U asterisk -G asterisk
    until asterisk -rx "core waitfullybooted" >/dev/null 2>&1; do sleep 0.1; done`,
  stop: 'asterisk -rx "core stop now" || true\nwhile [ -e /run/asterisk/asterisk.ctl ]; do sleep 0.1; done',
} as const;

/** The same for a FreeSWITCH. `options`: others than those for its folders. */
export const FREESWITCH = (program: string, options: readonly string[] = []) => ({
  restart: `    if [ -e /run/freeswitch.pid ]; then kill $(cat /run/freeswitch.pid) || true; timeout 20 tail --pid=$(cat /run/freeswitch.pid) -f /dev/null; fi
    mkdir -p /var/log/freeswitch /var/lib/freeswitch /run/freeswitch
    ${program} -nf -nc -np -nonat -nort -conf /etc/freeswitch -log /var/log/freeswitch -db /var/lib/freeswitch -run /run/freeswitch ${options.join(' ')} >/var/log/freeswitch/console 2>&1 &
    echo $! >/run/freeswitch.pid
    for i in $(seq 300); do fs_cli -x 'sofia status' 2>/dev/null | grep -q 'internal.*RUNNING' && break; sleep 0.1; done`,
  stop: 'kill $(cat /run/freeswitch.pid); timeout 20 tail --pid=$(cat /run/freeswitch.pid) -f /dev/null || kill -9 $(cat /run/freeswitch.pid)',
});

export class SystemCopy {
  readonly root: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.root = join(folder, 'root');
  }

  /** `lower`: the system to be copied, `/` for this machine. `folder` is the copy's own, on the machine's disk or in its memory. */
  static async of(lower: string, folder: string): Promise<SystemCopy> {
    const copy = new SystemCopy(folder);
    // What is written cannot lie inside of what is copied: a file system of its own.
    if (lower === '/') await run('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
    for (const name of ['root', 'upper', 'work']) mkdirSync(join(folder, name));
    const layers = `lowerdir=${lower},upperdir=${join(folder, 'upper')},workdir=${join(folder, 'work')}`;
    try {
      await run('mount', ['-t', 'overlay', 'overlay', '-o', layers, copy.root]);
    } catch (error) {
      if (lower === '/') throw error;
      // A machine without overlay file systems takes longer.
      await run('cp', ['-a', `${lower}/.`, copy.root]);
    }
    await mountProc(copy.root);
    if (lower === '/') await run('mount', ['--bind', '/dev', join(copy.root, 'dev')]);
    return copy;
  }

  /**
   * The package, Apple's key and what stands in for systemd. `restart`: shell lines that start the PBX anew. `packages`: files that were built
   * before; without them the .deb is built now.
   */
  async prepare(o: {
    readonly apns: ApnsStandIn;
    readonly pbx: string;
    readonly restart: string;
    readonly packages?: readonly string[];
  }): Promise<void> {
    for (const file of o.packages ?? [await buildPackage(this.#folder)]) {
      cpSync(file, join(this.root, 'root', basename(file)));
    }
    this.write('/root/AuthKey_KEY1234567.p8', o.apns.apps[0]?.key ?? '', 0o600);
    this.write('/usr/local/sbin/systemctl', systemctl(o.pbx, o.restart), 0o755);
    this.write('/usr/local/sbin/journalctl', JOURNALCTL, 0o755);
  }

  /** Apple is out of reach: the stand-in, which checks what Apple checks. */
  useStandIn(apns: ApnsStandIn, config = '/etc/pushwake/pushwake.yaml'): void {
    const app = apns.apps[0];
    if (!app) throw new Error('the stand-in has no app');
    const { teamId, bundleId, keyId } = PAGES_APP;
    const yaml = this.read(config)
      .replace(teamId, app.teamId)
      .replace(bundleId, app.bundleId)
      .replace(`keyId: "${keyId}"`, `keyId: "${app.keyId}"`)
      .replace(/^ {2}apns:$/m, `  apns:\n    endpoint: ${JSON.stringify(apns.endpoint)}`);
    if (!yaml.includes(`"port":${apns.endpoint.port}`)) throw new Error(`no apns in pushwake.yaml:\n${yaml}`);
    writeFileSync(join(this.root, config), yaml);
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  write(path: string, text: string, mode = 0o644): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text, { mode });
  }

  /** Files below a folder, by name. */
  snapshot(folder: string): Readonly<Record<string, string>> {
    const names = execFileSync('find', [join(this.root, folder), '-type', 'f'], { encoding: 'utf8' });
    const files = names.split('\n').filter(Boolean).sort();
    return Object.fromEntries(files.map((file) => [file.slice(this.root.length), readFileSync(file, 'latin1')]));
  }

  /** Runs them as root does, in the folder /root; what they printed on both channels. */
  async inside(commands: string): Promise<string> {
    const { stdout, stderr } = await run('chroot', [this.root, 'sh', '-ec', `cd /root\n${commands}`], {
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/freeswitch/bin',
        HOME: '/root',
        DEBIAN_FRONTEND: 'noninteractive',
        LANG: 'C.UTF-8',
      },
      maxBuffer: 16 * 1024 * 1024,
    }).catch((error: Error & { stdout?: string }) => {
      // What a command found is on its other channel.
      throw new Error(`${error.message}\n${error.stdout ?? ''}`, { cause: error });
    });
    return stdout + stderr;
  }

  /** Ends pushwake, then what `end` ends, and takes the copy away. */
  async close(end: string): Promise<void> {
    await this.inside(`systemctl stop pushwake || true\n${end}`).catch(() => undefined);
    await unmountAll(this.#folder);
  }
}

export interface Step {
  readonly n: number;
  readonly title: string;
  /** What the page says to type. */
  readonly commands: string;
  readonly text: string;
}

/** The steps of a page of docs/, in its order: headings with a number. */
export function stepsOf(page: string): readonly Step[] {
  const text = readFileSync(fileURLToPath(new URL(`../../docs/${page}`, import.meta.url)), 'utf8');
  return [...text.matchAll(/^## (\d+)\. (.*)\n([\s\S]*?)(?=^## )/gm)].map(([, n, title = '', body = '']) => ({
    n: Number(n),
    title,
    commands: commandsOf(body),
    text: body,
  }));
}

/** What a step says to type. */
export function commandsOfStep(steps: readonly Step[], n: number): string {
  const commands = steps.find((step) => step.n === n)?.commands;
  if (!commands) throw new Error(`the page has no step ${n} with commands`);
  return commands;
}

/** Commands under a heading without a number. */
export function commandsUnder(page: string, heading: string): string {
  const text = readFileSync(fileURLToPath(new URL(`../../docs/${page}`, import.meta.url)), 'utf8');
  const body = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0];
  const commands = body === undefined ? '' : commandsOf(body);
  if (commands === '') throw new Error(`${page} has no commands under "${heading}"`);
  return commands;
}

const commandsOf = (text: string) => [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map((m) => m[1] as string).join('');
