/**
 * The dead man's switch of the websocket that the main thread holds: a thread that is told every quarter of a second that the main one lives. After a
 * second without that it takes the main thread's applications away from Asterisk, so that Stasis() fails at once and calls go the plain way without the
 * guard's wait. It cannot close a socket of another thread; but Asterisk gives an application to the connection that registered it last, and
 * takes it away when that one closes. The main thread is told by `ApplicationReplaced` when it lives again.
 *
 * The only file that knows ari-client. Whatever that does (it throws in its handlers, it gives up) stays in this thread.
 */
import { parentPort, workerData } from 'node:worker_threads';
import ari from 'ari-client';
import { every } from '../../real-time.ts';
import { DEAD_AFTER_MS, HEARTBEAT_MS } from '../../supervised-worker.ts';
import { appsOf } from '../session.ts';
import type { Login } from './first-look.ts';
import { LINE_IS_UP, WAS_TAKEN } from './shared-flags.ts';

export interface StandbyData {
  readonly login: Login;
  readonly app: string;
  /** Of `shared-flags.ts`. */
  readonly flags: Int32Array;
}

const { login, app, flags } = workerData as StandbyData;
let heardAt = performance.now();
let lookedAt = heardAt;
let isTaking = false;

parentPort?.on('message', () => {
  heardAt = performance.now();
});

// An exception of ari-client's ends one try; the next one comes with the next look.
process.on('uncaughtException', () => {
  isTaking = false;
});
process.on('unhandledRejection', () => {
  isTaking = false;
});

every(HEARTBEAT_MS, () => {
  const now = performance.now();
  // This thread stood still as well (the process was stopped, the machine slept): the main one gets its second.
  if (now - lookedAt > 2 * HEARTBEAT_MS) heardAt = now;
  lookedAt = now;
  const isNeeded = Atomics.load(flags, LINE_IS_UP) === 1 && Atomics.load(flags, WAS_TAKEN) === 0;
  if (isNeeded && !isTaking && now - heardAt > DEAD_AFTER_MS) void take();
});

async function take(): Promise<void> {
  isTaking = true;
  try {
    const client = await ari.connect(login.url, login.username, login.password);
    // It has come back while we connected.
    if (performance.now() - heardAt <= DEAD_AFTER_MS) return;
    // Before Asterisk says so: the main thread may read that at once.
    Atomics.store(flags, WAS_TAKEN, 1);
    await client.start([...appsOf(app)]);
    client.stop();
  } catch {
    Atomics.store(flags, WAS_TAKEN, 0);
  } finally {
    isTaking = false;
  }
}
