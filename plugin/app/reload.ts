/** SIGHUP: reads the configuration again and applies what may change while calls wait. */
import type { pino } from 'pino';
import { type LoadedConfig, readConfig } from '../../config/load.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Adapters, schemasOf } from './adapters.ts';
import type { LiveConfig, Prepared } from './live-config.ts';
import { placed } from './mistakes.ts';
import { loadOutside } from './outside.ts';

/** SIGHUP, once per ring, one after the other; rings that come before there is an answer are kept as one. */
export class Hangup {
  #answer: (() => Promise<void>) | undefined;
  #underWay: Promise<void> | undefined;
  #again = false;

  answer(answer: () => Promise<void>): void {
    this.#answer = answer;
    if (this.#again) this.ring();
  }

  ring(): void {
    this.#again = true;
    if (!this.#answer || this.#underWay) return;
    this.#again = false;
    this.#underWay = this.#answer().finally(() => {
      this.#underWay = undefined;
      if (this.#again) this.ring();
    });
  }
}

export interface Running {
  readonly configFile: string;
  readonly found: Adapters;
  readonly live: LiveConfig;
  readonly runtime: Runtime;
  readonly log: pino.Logger;
}

/** Applies the file as it is now. One with a mistake changes nothing: every mistake is a line of the log. */
export async function reload({ configFile, found, live, runtime, log }: Running): Promise<void> {
  let next: LoadedConfig;
  let prepared: Prepared;
  try {
    await loadOutside(found, configFile);
    const file = readConfig(configFile, schemasOf(found));
    next = file.config;
    try {
      prepared = live.prepare(next);
    } catch (error) {
      throw placed(error, file);
    }
  } catch (error) {
    const said = error instanceof Error ? error.message.split('\n') : [String(error)];
    for (const mistake of said) log.error({ mistake }, 'configuration has a mistake, nothing was changed');
    return;
  }
  prepared.commit();
  log.level = next.log.level;
  try {
    await runtime.change(prepared.change);
  } catch (error) {
    log.error({ reason: String(error) }, 'a change of the configuration was not carried out in full, restart pushwake');
  }
  const { applied, waiting } = prepared;
  log.info({ changed: applied }, applied.length > 0 ? 'configuration applied' : 'configuration read, nothing to apply');
  if (waiting.length > 0) log.warn({ keys: waiting }, 'configuration: these keys wait for the next start');
}
