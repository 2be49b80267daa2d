/**
 * How the program finds its adapters: `plugin.manifest.json` names a module for each. A third party adds one by naming its
 * module there. Modules are given as in the sources; in the compiled package the same path ends in `.js`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { z } from 'zod';
import type { CheckDeps, Finding } from './ports/finding.ts';

export type AdapterKind = 'clock' | 'events' | 'pbx' | 'push' | 'store' | 'supervisor';

export interface Manifest {
  readonly name: string;
  readonly version: string;
  /** Version ranges by platform. */
  readonly platforms: Readonly<Record<'asterisk' | 'freeswitch' | 'node', string>>;
  readonly adapters: Readonly<Record<AdapterKind, Readonly<Record<string, string>>>>;
}

/** What every adapter module exports. */
export interface AdapterModule<T> {
  readonly optionsSchema: z.ZodType;
  create(options: unknown, deps: unknown): T;
  /** Looks at what the adapter needs around it, for `pushwake check`. Optional. */
  check?(options: unknown, deps: CheckDeps): AsyncIterable<Finding>;
}

/** The folder of the package: where `plugin.manifest.json` lies. */
export const PACKAGE_ROOT = (() => {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'plugin.manifest.json'))) return dir;
    if (dirname(dir) === dir) throw new Error('plugin.manifest.json is missing from the package');
  }
})();

/** `^22.19.0 || >=26.0.0`, which is all the manifest writes. */
export function isInRange(version: string, range: string): boolean {
  const numbers = (text: string) => text.split('.').map(Number);
  const [major = 0, minor = 0, patch = 0] = numbers(version);
  return range.split('||').some((part) => {
    const [, sign, least = ''] = /^\s*(\^|>=)(\d+\.\d+\.\d+)\s*$/.exec(part) ?? [];
    const [a = 0, b = 0, c = 0] = numbers(least);
    const isAtLeast = major > a || (major === a && (minor > b || (minor === b && patch >= c)));
    return sign === '^' ? major === a && isAtLeast : sign === '>=' && isAtLeast;
  });
}

/** Undefined: this Node.js can run pushwake. An older one lacks modules (node:sqlite), and would say so with a stack. */
export function nodeMistake(version: string, range: string): string | undefined {
  if (isInRange(version, range)) return undefined;
  return `this is Node.js ${version}, and pushwake needs ${range}; the Debian package brings its own`;
}

export function readManifest(): Manifest {
  return JSON.parse(readFileSync(join(PACKAGE_ROOT, 'plugin.manifest.json'), 'utf8')) as Manifest;
}

/** Loads every module of a kind that the manifest names. */
export async function loadAdapters<T>(manifest: Manifest, kind: AdapterKind): Promise<Map<string, AdapterModule<T>>> {
  const compiled = import.meta.url.endsWith('.js');
  const modules = new Map<string, AdapterModule<T>>();
  for (const [name, path] of Object.entries(manifest.adapters[kind])) {
    const file = compiled && path.endsWith('.ts') ? join('dist', path.replace(/\.ts$/, '.js')) : path;
    modules.set(name, (await import(pathToFileURL(join(PACKAGE_ROOT, file)).href)) as AdapterModule<T>);
  }
  return modules;
}
