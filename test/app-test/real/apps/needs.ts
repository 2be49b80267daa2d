/** What Debian's softphones are made of, by package: whether it is there. Nothing is installed by itself. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian's, as its libraries are; another one in the PATH may not find them. */
export const PYTHON = '/usr/bin/python3';
export const BARESIP_MODULES = '/usr/lib/baresip/modules';

type Needs = Readonly<Record<string, () => boolean>>;

const LIBLINPHONE: Needs = {
  python3: () => existsSync(PYTHON),
  liblinphone10: () => loads('liblinphone.so.10') && loads('libbctoolbox.so.1'),
};

/** By the name that `APP_TEST_ONLY` knows a program by: package → whether what is used of it is there. */
const NEEDS = {
  'linphonec-5.1': { 'linphone-cli': () => isOnPath('linphonec') },
  'liblinphone-5.1-with-push': LIBLINPHONE,
  'liblinphone-5.1-without-push': LIBLINPHONE,
  'baresip-1.0': { 'baresip-core': () => isOnPath('baresip') && existsSync(join(BARESIP_MODULES, 'ctrl_tcp.so')) },
} as const satisfies Readonly<Record<string, Needs>>;

export type ProgramName = keyof typeof NEEDS;
const NAMES = Object.keys(NEEDS) as readonly ProgramName[];

export interface Chosen {
  readonly names: readonly ProgramName[];
  /** Wanted, and cannot be started: the packages that are missing. */
  readonly missing: readonly { readonly name: ProgramName; readonly packages: readonly string[] }[];
}

/** `only`: `APP_TEST_ONLY`, which may name rules as well; undefined: all programs. */
export function choosePrograms(only: string | undefined): Chosen {
  const wanted = NAMES.filter((name) => only === undefined || only.split(',').includes(name));
  const all = wanted.map((name) => ({ name, packages: missingFor(name) }));
  const isThere = ({ packages }: (typeof all)[number]) => packages.length === 0;
  return { names: all.filter(isThere).map(({ name }) => name), missing: all.filter((one) => !isThere(one)) };
}

function missingFor(name: ProgramName): readonly string[] {
  const needs: Needs = NEEDS[name];
  return Object.keys(needs).filter((one) => !needs[one]?.());
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

/** As the program of a few lines loads it. */
function loads(library: string): boolean {
  const code = 'import ctypes, sys; ctypes.CDLL(sys.argv[1])';
  return spawnSync(PYTHON, ['-c', code, library], { stdio: 'ignore' }).status === 0;
}
