/** What most commands begin with: the configuration, the accounts it serves, its store. */
import type { Command } from 'commander';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { type LoadedConfig, loadConfig, type Mistake, readConfig } from '../../config/load.ts';
import { policyWarnings } from '../../config/policies.ts';
import { allRealms } from '../../config/realms.ts';
import { type Adapters, schemasOf } from '../app/adapters.ts';
import { createLogger } from '../app/log.ts';
import { adaptersFor } from '../app/outside.ts';
import { tryOut } from '../app/try-out.ts';
import { type Aor, parseAor } from '../core/aor.ts';
import type { HttpProxy } from '../core/proxy.ts';
import type { AdapterDeps } from '../ports/adapter.ts';
import { type BindingStore, StoreError } from '../ports/binding-store.ts';
import { CommandError } from './exit.ts';

const DEFAULT_CONFIG = '/etc/pushwake/pushwake.yaml';

export const withConfig = (command: Command): Command =>
  command.option('-c, --config <file>', 'configuration', DEFAULT_CONFIG);

export interface Loaded {
  readonly config: LoadedConfig;
  readonly found: Adapters;
}

/** Throws `ConfigError` with every mistake of the file. */
export async function load(file: string): Promise<Loaded> {
  const found = await adaptersFor(file);
  return { config: loadConfig(file, schemasOf(found)), found };
}

/** The same, and everything a start would make of it: throws `ConfigError` for what would stop the start. */
export async function loadAndTryOut(file: string): Promise<Loaded & { readonly warnings: readonly Mistake[] }> {
  const found = await adaptersFor(file);
  const read = readConfig(file, schemasOf(found));
  await tryOut(read, found);
  return { config: read.config, found, warnings: read.mistakes(policyWarnings(read.config)).mistakes };
}

/** What adapters are given by a command: only warnings, beside the command's own output. */
export function depsFor(name: string, proxy?: HttpProxy): AdapterDeps {
  return { clock: systemClock(), log: createLogger('warn', process.stderr), name, ...(proxy && { proxy }) };
}

/** `read` works beside a running pushwake, `write` is refused then. Throws `StoreError`. */
export async function openStore({ config, found }: Loaded, mode: 'read' | 'write'): Promise<BindingStore> {
  const { type, options } = config.store;
  const store = found.store.get(type)?.create(options, depsFor(type));
  if (!store) throw new StoreError(`there is no store adapter "${type}"`);
  await (mode === 'read' ? store.openForReading() : store.open());
  return store;
}

/** `1001@example.com`, or `1001` where the configuration has one realm only. */
export function wholeAor(config: LoadedConfig, text: string): Aor {
  const [realm, ...others] = allRealms(config);
  const whole = text.includes('@') || realm === '*' || others.length > 0 ? text : `${text}@${realm}`;
  const aor = parseAor(whole);
  if (aor) return aor;
  throw new CommandError(`"${text}" is no account; expected for example 1001@${realm === '*' ? 'example.com' : realm}`);
}
