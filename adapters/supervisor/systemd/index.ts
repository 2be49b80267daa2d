/**
 * What a service of `Type=notify` must send to systemd (sd_notify(3)): that it is ready, reloads, stops, and, often enough,
 * that its main loop turns. By the program `systemd-notify`: Node has no datagrams on unix sockets. The unit needs
 * `NotifyAccess=all`, because the messages come from children.
 */
import { execFile } from 'node:child_process';
import { type DurationMs, SECOND } from '../../../plugin/core/time.ts';
import type { Logger } from '../../../plugin/ports/adapter.ts';
import type { Clock } from '../../../plugin/ports/clock.ts';

export interface SystemdOptions {
  /** Whether a service manager listens (`NOTIFY_SOCKET`). Otherwise every method does nothing. */
  readonly listens: boolean;
  /** What the service manager waits for a sign of life (`WATCHDOG_USEC`); absent: it does not watch. */
  readonly watchdogMs?: DurationMs | undefined;
  /** Default: `systemd-notify`, from the PATH. */
  readonly program?: string;
}

export interface Systemd {
  /** Calls are served from here on, or again after a reload. Begins the signs of life, and shows the status whenever it has changed. */
  ready(): void;
  /** SIGHUP came; `ready` follows, whatever became of it. */
  reloading(): void;
  stopping(): void;
}

/** A sign is sent this often within the time that is waited for one: one may be late, or its program may fail to start. */
const SIGNS = 3;
/** A program that hangs must not pile up. */
const NOTIFIED_WITHIN_MS = 5_000;

/** How often the status is looked at. */
const LOOK_EVERY: DurationMs = 5 * SECOND;

/** The timer runs in the thread that serves calls: one that hangs sends no sign, and systemd starts the service anew. */
export function systemd(options: SystemdOptions, status: () => string, clock: Clock, log: Logger): Systemd {
  const { listens, watchdogMs, program = 'systemd-notify' } = options;
  let complained = false;
  let begun = false;
  let stopped = false;
  let shown: string | undefined;

  function say(...words: readonly string[]): void {
    if (!listens) return;
    execFile(program, words, { timeout: NOTIFIED_WITHIN_MS }, (error) => {
      // At the stop systemd may end this program before it is done: nothing is lost by that.
      if (!error || complained || stopped) return;
      complained = true;
      log.warn({ program, reason: error.message.split('\n')[0] }, 'cannot send the state of the service to systemd');
    });
  }

  function beat(): void {
    if (stopped || watchdogMs === undefined) return;
    say('WATCHDOG=1');
    clock.after(watchdogMs / SIGNS, beat);
  }

  function look(): void {
    if (stopped) return;
    const now = status();
    if (now !== shown) say(`--status=${now}`);
    shown = now;
    clock.after(LOOK_EVERY, look);
  }

  return {
    ready() {
      shown = status();
      say('--ready', `--status=${shown}`);
      if (begun || !listens) return;
      begun = true;
      beat();
      clock.after(LOOK_EVERY, look);
    },
    reloading: () => say('RELOADING=1'),
    stopping() {
      stopped = true;
      say('STOPPING=1');
    },
  };
}
