/**
 * Whether a connection that gives no answer is alive. A firewall that forgot an idle connection, or a line that went away,
 * says nothing: the first calls after a quiet hour would wait on it until their own end.
 */
import type { Agent as HttpAgent } from 'node:http';
import type { ClientHttp2Session } from 'node:http2';
import type { Agent as HttpsAgent } from 'node:https';
import { type DurationMs, SECOND } from '../../plugin/core/time.ts';
import type { Clock } from '../../plugin/ports/clock.ts';
import { type Limited, TimeLimit } from '../../plugin/ports/time-limit.ts';

/** An answer takes a push service 20 to 200 ms; after this long without one the connection is asked whether it is alive. */
const ASKED_AFTER: DurationMs = 500;
/**
 * HTTP/1.1 has no PING: a kept connection whose other end went away without a word is as silent as a service that takes its time. Services
 * answer in 0.02 to 0.5 s; a call has some seconds, and the second push of one call is known to the app by its `callId`.
 */
export const DOUBTED_AFTER: DurationMs = SECOND;

/** Closes the idle connections of an agent: what made one of them silent has most likely taken them all. */
export function closeIdle(agent: HttpAgent | HttpsAgent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

/** Five times the longest way to a service and back. */
const ALIVE_WITHIN: DurationMs = SECOND;

export class Liveness {
  readonly #clock: Clock;
  readonly #asking = new Set<ClientHttp2Session>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Sends a PING. A connection that does not answer it within a second is cut off, and its requests end as lost. */
  ask(session: ClientHttp2Session): void {
    if (this.#asking.has(session) || session.destroyed) return;
    this.#asking.add(session);
    const done = () => {
      cancel();
      this.#asking.delete(session);
      session.off('close', done);
    };
    const cancel = this.#clock.after(ALIVE_WITHIN, () => {
      done();
      session.destroy();
    });
    session.once('close', done);
    try {
      // A PING that is cancelled with its session is no answer, and `close` follows.
      session.ping((error) => {
        if (!error) done();
      });
    } catch {
      // Not connected, or destroyed in between.
      done();
    }
  }
}

/** How long an exchange may take, and when it is slow. It runs under one limit at a time: what ends before it is slow, which is nearly all, costs one. */
export class Patience {
  readonly #slow: TimeLimit | undefined;
  readonly #late: TimeLimit;

  constructor(clock: Clock, limitMs: DurationMs) {
    const restMs = limitMs - ASKED_AFTER;
    this.#slow = restMs > 0 ? new TimeLimit(clock, ASKED_AFTER) : undefined;
    this.#late = new TimeLimit(clock, restMs > 0 ? restMs : limitMs);
  }

  begin(one: Limited): void {
    (this.#slow ?? this.#late).begin(one);
  }

  /** Its first limit is over. True: it was slow, and waits for the rest. False: there is no more. */
  goesOn(one: Limited): boolean {
    if (!this.#slow) return false;
    this.#late.begin(one);
    return true;
  }
}
