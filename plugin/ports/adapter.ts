/** What every adapter is handed at its birth. Each adapter module exports `optionsSchema` and `create(options, deps)`. */

import type { HttpProxy } from '../core/proxy.ts';
import type { Clock } from './clock.ts';

/**
 * The part of a pino logger that adapters use. Messages are constant and lower case; what varies is a field.
 * No token, key, payload or caller in either.
 */
export interface Logger {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
  /** False: lines of this level are dropped, so that nothing need be put into words for them. Absent: all are taken. */
  isLevelEnabled?(level: 'debug'): boolean;
}

export interface AdapterDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** The adapter's name in the configuration. A push provider answers for targets of this provider name. */
  readonly name: string;
  /** `mode: observe`: nothing may be changed anywhere, not even what a phone asked for. Default false. */
  readonly observing?: boolean;
  /** Push services only: the proxy that the configuration sets for this one. Absent: none. */
  readonly proxy?: HttpProxy | undefined;
}
