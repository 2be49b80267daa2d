/**
 * What an adapter that looks at its own surroundings reports to `pushwake check`. A check changes nothing, rings nobody and
 * costs at most a few seconds; what it cannot see is a `warn` with the command that shows it, never a guess.
 */

import type { HttpProxy } from '../core/proxy.ts';
import type { DurationMs } from '../core/time.ts';
import type { Clock } from './clock.ts';

export interface Finding {
  /** `fail`: phones are not woken, or calls are lost, as long as it is so. `warn`: works, but worse than it could. */
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was looked at, in a few words: `ARI login`. */
  readonly what: string;
  /** What was found, one sentence without a full stop. Never a password, token or key. */
  readonly found: string;
  /** What to do about it. Required unless `ok`. */
  readonly remedy?: string;
}

/** Where phones in browsers register: with this PBX, or with one of several that this is one of. */
export type BrowsersRegister = 'here' | 'here or elsewhere';

export interface CheckDeps {
  readonly clock: Clock;
  /** The adapter's name in the configuration. */
  readonly name: string;
  /** Nothing beyond this machine and the PBXs may be asked. */
  readonly offline: boolean;
  /** How long one question may take. */
  readonly timeoutMs: DurationMs;
  /** Push services only: the proxy that the configuration sets for this one. Absent: none. */
  readonly proxy?: HttpProxy | undefined;
  /** PBXs only: the phone for the browser is on (`http.devices.phone`). Absent: it is off. */
  readonly browsers?: BrowsersRegister;
  /** Our own pushwake runs with this configuration: what is in use is in use by us. */
  readonly running: boolean;
  /** What the running pushwake's sensors of this PBX have counted. */
  readonly sensors?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}
