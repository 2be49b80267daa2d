/**
 * A FreeSWITCH on this machine that was there a moment ago is being restarted: it is waited for at its door, so that the link is there
 * when its first phone can call. Looking takes one connection to loopback; a thread that is started anew for each look costs more, and its
 * pauses would grow to seconds.
 */
import { connect } from 'node:net';

/** The machine's own time, as a worker may read it. */
export interface Watch {
  readonly nowMs: () => number;
  readonly pause: (ms: number) => Promise<void>;
}

/** How often is looked, in ms. */
const LOOKED_EVERY_MS = 100;

/** Resolves once something listens there, or when the time is up. */
export async function untilListening(host: string, port: number, untilMs: number, watch: Watch): Promise<void> {
  while (watch.nowMs() < untilMs && !(await listens(host, port, watch))) await watch.pause(LOOKED_EVERY_MS);
}

function listens(host: string, port: number, watch: Watch): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    void watch.pause(LOOKED_EVERY_MS).then(() => done(false));
  });
}

/** Tries until it succeeds; when the time is up, the last failure is the answer. At least once. */
export async function patiently<T>(work: () => Promise<T>, untilMs: number, watch: Watch): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (watch.nowMs() >= untilMs) throw error;
      await watch.pause(LOOKED_EVERY_MS);
    }
  }
}
