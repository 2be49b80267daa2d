/**
 * Starts pushwake and is the only file that ends the process. Reads the configuration, lets `app/` load and wire the
 * parts, starts them, and stops them in order on SIGTERM and SIGINT.
 */
import type { pino } from 'pino';
import { systemClock } from '../adapters/clock/system/index.ts';
import { systemd } from '../adapters/supervisor/systemd/index.ts';
import { type ConfigFile, type LoadedConfig, readConfig, serviceManager, writesToJournal } from '../config/load.ts';
import { type Adapters, schemasOf } from './app/adapters.ts';
import { type Clocks, compose } from './app/compose.ts';
import { listenersOf } from './app/listeners.ts';
import { LiveConfig } from './app/live-config.ts';
import { createLogger } from './app/log.ts';
import { fileTrouble, isConfigError, placed } from './app/mistakes.ts';
import { adaptersFor } from './app/outside.ts';
import { phoneParts } from './app/phone-assets.ts';
import { Hangup, reload } from './app/reload.ts';
import { statusLine } from './app/status-line.ts';
import { tryOut } from './app/try-out.ts';
import { EXIT } from './commands/exit.ts';
import type { HttpListener } from './http/listener.ts';
import { Metrics } from './http/metrics/metrics.ts';
import type { Runtime } from './runtime/runtime.ts';

/** How long an orderly stop may take before the process ends anyway. */
const STOP_WITHIN_MS = 10_000;

/** `pushwake start`. Exit code 0 after an orderly stop, 4 after `pushwake drain`, 2 for a mistake in the configuration, 1 for everything else. */
export async function start(configFile: string, clocks?: Clocks): Promise<void> {
  // The name by which people look for the process; Node would call it MainThread.
  process.title = 'pushwake';
  let file: ConfigFile;
  let config: LoadedConfig;
  let runtime: Runtime;
  let log: pino.Logger;
  let listeners: HttpListener[];
  let live: LiveConfig;
  let found: Adapters;
  // From the first moment: without a listener the signal would end the process.
  const hangup = new Hangup();
  process.on('SIGHUP', () => hangup.ring());
  try {
    found = await adaptersFor(configFile);
    file = readConfig(configFile, schemasOf(found));
    config = file.config;
    log = createLogger(config.log.level, process.stdout, writesToJournal());
    const wire = clocks?.wire ?? systemClock();
    const metrics = config.http.admin && new Metrics(Object.keys(config.pbx));
    try {
      live = new LiveConfig(config, found, log, wire);
      runtime = compose(config, found, log, clocks, metrics, live);
      listeners = listenersOf(config, runtime, log, wire, metrics, live, await phoneParts(config));
    } catch (error) {
      // One mistake ends the start; the others are printed with it.
      if (isConfigError(error)) await tryOut(file, found);
      throw placed(error, file);
    }
  } catch (error) {
    endsByMistake(error);
    throw error;
  }
  // The machine's own time, whatever clock the bindings live by.
  const service = systemd(serviceManager(), () => statusLine(runtime.status), systemClock(), log);
  let stopping = false;
  const stop = (signal: string, code = 0) => {
    if (stopping) return;
    stopping = true;
    service.stopping();
    log.info({ signal }, 'stopping');
    const late = setTimeout(() => process.exit(1), STOP_WITHIN_MS);
    const all = [runtime.stop(), ...listeners.map((l) => l.stop())];
    Promise.all(all).then(
      () => {
        clearTimeout(late);
        log.info('stopped');
        process.exit(code);
      },
      (error: unknown) => {
        log.error({ reason: String(error) }, 'did not stop in order');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('uncaughtException', (error) => {
    // A bug of ours. Ending is right: Asterisk rings by itself meanwhile, and a supervisor starts us again.
    log.fatal({ reason: error.message, stack: error.stack }, 'unexpected error, ending');
    process.exit(1);
  });
  try {
    // Before the runtime: health says "not ready" meanwhile, and a mistake in a route shows before calls depend on us.
    await Promise.all(listeners.map((l) => l.start()));
    await runtime.start();
  } catch (error) {
    log.fatal({ reason: error instanceof Error ? error.message : String(error) }, 'cannot start');
    // A store file that is damaged, or another program's, needs somebody's hand: a new start would find the same.
    await tryOut(file, found).catch(endsByMistake);
    process.exit(1);
  }
  void runtime.drain.drained.then(() => stop('drained', EXIT.drained));
  log.info({ mode: config.mode, links: runtime.status.status().links }, 'ready');
  service.ready();
  hangup.answer(async () => {
    if (stopping) return;
    service.reloading();
    await reload({ configFile, found, live, runtime, log }).finally(service.ready);
  });
}

/** Ends the process where the error is one of the administrator's files: what is wrong, and no stack. */
function endsByMistake(error: unknown): void {
  const said = isConfigError(error) ? error.message : fileTrouble(error);
  if (said === undefined) return;
  process.stderr.write(`${said}\n`);
  process.exit(2);
}
