/**
 * Makes of a configuration everything that a start makes before it listens or connects, and throws it away again: what would
 * stop the start is found here, by `check-config`, all of it at once.
 */
import { systemClock } from '../../adapters/clock/system/index.ts';
import { ConfigError, type ConfigFile } from '../../config/load.ts';
import type { Logger } from '../ports/adapter.ts';
import { StoreError } from '../ports/binding-store.ts';
import type { Adapters } from './adapters.ts';
import { compose } from './compose.ts';
import { certificatesOf, listenersOf } from './listeners.ts';
import { LiveConfig } from './live-config.ts';
import { isConfigError, placed } from './mistakes.ts';
import { phoneParts } from './phone-assets.ts';

const nothing = () => undefined;
const SILENT: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** Throws `ConfigError`. Connects to nothing and opens no port. */
export async function tryOut(file: ConfigFile, found: Adapters): Promise<void> {
  const { config } = file;
  const wire = systemClock();
  const mistakes: string[] = [];
  const collect = <T>(make: () => T): T | undefined => {
    try {
      return make();
    } catch (error) {
      if (!isConfigError(error)) throw error;
      mistakes.push(error.message);
      return undefined;
    }
  };
  const live = collect(() => new LiveConfig(config, found, SILENT, wire));
  collect(() => certificatesOf(config));
  const phone = await phoneParts(config).catch((error: unknown) => {
    if (!isConfigError(error)) throw error;
    mistakes.push(error.message);
    return undefined;
  });
  const store = found.store.get(config.store.type);
  const made = collect(() =>
    store?.create(config.store.options, { clock: wire, log: SILENT, name: config.store.type }),
  );
  await made?.tryOut?.().catch((error: unknown) => {
    if (!(error instanceof StoreError)) throw error;
    mistakes.push(`store.path: ${error.message}`);
  });
  try {
    if (mistakes.length > 0 || !live) throw new ConfigError(mistakes.join('\n'));
    const runtime = compose(config, found, SILENT, { clock: wire, wire }, undefined, live);
    for (const listener of listenersOf(config, runtime, SILENT, wire, undefined, live, phone)) await listener.tryOut();
  } catch (error) {
    throw placed(error, file);
  } finally {
    for (const one of [...(live?.providers ?? []), ...(live?.sinks ?? [])]) await one.close();
  }
}
