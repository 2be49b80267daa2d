/**
 * Adapters from outside: named in the configuration by `type`, as a package (`pushwake-ntfy`) or as the absolute path of a
 * module. A package is looked for beside the configuration file and above it, as Node does, so that an upgrade of pushwake
 * does not touch it; then beside pushwake itself.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigFileError, type NamedType, typesIn } from '../../config/load.ts';
import { type AdapterModule, PACKAGE_ROOT } from '../manifest.ts';
import { type Adapters, adapters } from './adapters.ts';

/** The adapters that pushwake brings, and those that this configuration names besides. */
export async function adaptersFor(file: string): Promise<Adapters> {
  const found = await adapters();
  await loadOutside(found, file);
  return found;
}

/** Loads what the file names and `found` does not have. Throws `ConfigError` that names file, line and column. */
export async function loadOutside(found: Adapters, file: string): Promise<void> {
  for (const named of typesIn(file)) {
    if (found[named.kind].has(named.type) || !isFromOutside(named.type)) continue;
    const mistake = (message: string) => new ConfigFileError(file, [{ ...named, message }]);
    let loaded: unknown;
    let from: string | undefined;
    try {
      from = isAbsolute(named.type) ? named.type : entryOf(named.type, [dirname(resolve(file)), PACKAGE_ROOT]);
    } catch (error) {
      throw mistake(`${named.type} cannot be loaded: its package.json ${reasonOf(error)}; install it anew`);
    }
    if (from === undefined || !existsSync(from)) throw mistake(notFound(named, file));
    try {
      loaded = await import(pathToFileURL(from).href);
    } catch (error) {
      throw mistake(`${named.type} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (!isAdapter(loaded)) {
      throw mistake(`${named.type} is no adapter; expected exports optionsSchema and create(options, deps)`);
    }
    (found[named.kind] as Map<string, AdapterModule<unknown>>).set(named.type, loaded);
  }
}

/** A package of the naming convention, scoped or not, or an absolute path. Anything else is a misspelt name of ours. */
export function isFromOutside(type: string): boolean {
  return isAbsolute(type) || /^(?:@[a-z0-9][\w.-]*\/)?pushwake-[\w.-]+$/.test(type);
}

function notFound({ type }: NamedType, file: string): string {
  return isAbsolute(type)
    ? `there is no file ${type}`
    : `the package ${type} is not installed; npm install --prefix ${dirname(resolve(file))} ${type}`;
}

function isAdapter(module: unknown): module is AdapterModule<unknown> {
  const { optionsSchema, create } = module as { optionsSchema?: { safeParse?: unknown }; create?: unknown };
  return typeof create === 'function' && typeof optionsSchema?.safeParse === 'function';
}

/** The module that `import` takes of a package. Undefined: it is in none of the folders, nor above them. */
function entryOf(name: string, folders: readonly string[]): string | undefined {
  for (const start of folders) {
    for (let dir = start; ; dir = dirname(dir)) {
      const home = join(dir, 'node_modules', name);
      if (existsSync(join(home, 'package.json'))) {
        const { exports, main } = Object(JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')));
        const entry = importOf(exports) ?? (typeof main === 'string' ? main : 'index.js');
        return join(home, entry);
      }
      if (dirname(dir) === dir) break;
    }
  }
  return undefined;
}

/** The text of the file is left out: it may be anything. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  return code === undefined ? 'is not JSON' : `cannot be read (${code})`;
}

/** The entry `.` of an `exports` map, by the conditions `import` and `default`. */
function importOf(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports;
  if (exports === null || typeof exports !== 'object') return undefined;
  const map = exports as Record<string, unknown>;
  return importOf(map['.'] ?? map.import ?? map.node ?? map.default);
}
