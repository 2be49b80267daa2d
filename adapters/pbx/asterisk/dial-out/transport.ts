/**
 * An Asterisk that we connect to: one websocket of the main thread for its events and, where this Asterisk takes them there, for our requests; by HTTP
 * what no call waits for. Beside it a thread stands by that takes its place for a moment when the main one hangs (`standby.ts`). The other way to
 * an Asterisk is `dial-in/`; what is said is the same and lies in `session.ts`.
 */
import { Worker } from 'node:worker_threads';
import { WebSocket } from 'ws';
import type { DurationMs } from '../../../../plugin/core/time.ts';
import { SECOND } from '../../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../../plugin/ports/adapter.ts';
import { LinkError } from '../../../../plugin/ports/pbx-link.ts';
import { every, REAL_TIME } from '../../real-time.ts';
import { HEARTBEAT_MS, safe } from '../../supervised-worker.ts';
import { Line } from '../line.ts';
import { httpRest } from '../rest.ts';
import { AriSession, appsOf, TEXTS_TAKEN, type Ways } from '../session.ts';
import type { Transport, TransportEvents } from '../transport.ts';
import { authorizationOf, baseOf, type Login, lookFirst } from './first-look.ts';
import { LINE_IS_UP, newFlags, WAS_TAKEN } from './shared-flags.ts';
import type { StandbyData } from './standby.ts';

export interface DialOutOptions extends TransportEvents {
  readonly deps: AdapterDeps;
  readonly app: string;
  readonly login: Login;
}

const OPENS_WITHIN: DurationMs = 5 * SECOND;
const BEGINS_WITHIN: DurationMs = 10 * SECOND;
const SOCKET_ANSWERS_WITHIN: DurationMs = 1 * SECOND;
/** Requests that no call waits for: few at once and over connections of their own, so that no call queues behind them. */
const CALM_AT_ONCE = 2;
/** In bytes. The longest is the list of all channels, about 1 kB of each. */
const LONGEST_MESSAGE = 64 * 1024 * 1024;
const AGAIN_MIN_MS = 50;
const AGAIN_MAX_MS = 3_000;

export class DialOutTransport implements Transport {
  readonly #o: DialOutOptions;
  readonly #flags = newFlags();
  readonly #byHttp: Readonly<Ways>;
  #line: Line | undefined;
  #standby: Worker | undefined;
  #stopBeats: () => void = () => undefined;
  #failures = 0;
  #lastComplaint = '';
  #stopped = false;
  #cancelAgain: () => void = () => undefined;
  #firstTry: () => void = () => undefined;

  constructor(options: DialOutOptions) {
    this.#o = options;
    const { username, password } = options.login;
    const by = (atOnce?: number) => httpRest(baseOf(options.login), username, password, atOnce);
    this.#byHttp = { rest: by(), calmRest: by(CALM_AT_ONCE) };
  }

  get up(): boolean {
    return this.#line?.isUp ?? false;
  }

  start(): Promise<void> {
    this.#standBy();
    this.#stopBeats = every(HEARTBEAT_MS, () => this.#beat());
    return new Promise((resolve) => {
      this.#firstTry = resolve;
      void this.#connect();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopBeats();
    this.#cancelAgain();
    this.#firstTry();
    this.#line?.end('stopped');
    await this.#standby?.terminate();
  }

  call<T>(operation: string, args: unknown, deadlineMs: number): Promise<T> {
    const line = this.#line;
    if (!line?.isUp) return Promise.reject(new LinkError(`link ${this.#o.deps.name} is down`));
    return line.run(operation, args, deadlineMs);
  }

  // ── The line ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Never rejects. */
  async #connect(): Promise<void> {
    const { login, app } = this.#o;
    const found = await lookFirst(login);
    if (this.#stopped) return;
    if ('reason' in found) return this.#failed(found.reason, found.hint);
    const url = new URL('ari/events', baseOf(login));
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('app', appsOf(app).join(','));
    const socket = new WebSocket(url, {
      headers: { authorization: authorizationOf(login) },
      handshakeTimeout: OPENS_WITHIN,
      perMessageDeflate: false,
      maxPayload: LONGEST_MESSAGE,
    });
    const ways: Ways = { ...this.#byHttp };
    const line = this.#lineOf(socket, ways);
    this.#line = line;
    const opened = new Promise((open) => socket.once('open', open));
    try {
      await line.within(2 * OPENS_WITHIN, 'open a websocket', opened);
      const rest = await line.within(BEGINS_WITHIN, 'answer our first requests', this.#begin(line, ways));
      if (line !== this.#line) return;
      this.#isUp(line, found.version, rest);
    } catch (error) {
      line.end(`cannot connect to ARI: ${safe(error)}`);
    }
  }

  #lineOf(socket: WebSocket, ways: Ways): Line {
    const { app, deps, onEvent } = this.#o;
    const { log, name: pbx } = deps;
    const line: Line = new Line(socket, {
      pbx,
      time: REAL_TIME,
      log,
      session: () =>
        new AriSession(app, ways, {
          after: (ms) => new Promise((resolve) => void REAL_TIME.after(ms, resolve)),
          tell: onEvent,
          every,
          failed: (error) => log.debug({ pbx, reason: safe(error) }, 'asterisk was not asked for other nodes'),
        }),
      onEvent: (event) => {
        if (event.type === 'ApplicationReplaced' && this.#wasTaken()) return;
        onEvent(event);
      },
      onEnd: (reason, hint) => this.#ended(line, reason, hint),
    });
    return line;
  }

  async #begin(line: Line, ways: Ways): Promise<'websocket' | 'http'> {
    const { session } = line;
    const { log, name: pbx } = this.#o.deps;
    await session.filter();
    await this.#restBySocket(line, ways);
    await session.learnCauses();
    await session.learnNodes();
    const { texts, ...why } = await session.hearContacts();
    if (texts === 'taken') log.warn({ pbx, ...why, hint: TEXTS_TAKEN }, 'texts that nobody takes are not refused');
    return ways.rest === line.rest ? 'websocket' : 'http';
  }

  /** Sends requests by websocket where this Asterisk takes them: its description and one trial request show that. */
  async #restBySocket(line: Line, ways: Ways): Promise<void> {
    const { body } = await ways.calmRest.ask({ method: 'GET', path: 'api-docs/events.json' });
    const { models } = (body ?? {}) as { models?: Readonly<Record<string, unknown>> };
    if (!models?.RESTResponse) return;
    const late = new Promise<undefined>(
      (resolve) => void REAL_TIME.after(SOCKET_ANSWERS_WITHIN, () => resolve(undefined)),
    );
    const answer = await Promise.race([line.rest.ask({ method: 'GET', path: 'asterisk/ping' }), late]);
    if (answer?.status === 200) ways.rest = line.rest;
  }

  #isUp(line: Line, version: string, rest: 'websocket' | 'http'): void {
    const { deps, onUp } = this.#o;
    line.isUp = true;
    this.#failures = 0;
    this.#lastComplaint = '';
    Atomics.store(this.#flags, WAS_TAKEN, 0);
    Atomics.store(this.#flags, LINE_IS_UP, 1);
    deps.log.info({ pbx: deps.name, version, rest }, 'pbx link up');
    onUp({ version });
    this.#firstTry();
  }

  #ended(line: Line, reason: string, hint?: string): void {
    if (line !== this.#line) return;
    this.#line = undefined;
    Atomics.store(this.#flags, LINE_IS_UP, 0);
    if (!this.#stopped) this.#failed(reason, hint, line.isUp);
  }

  #failed(reason: string, hint?: string, wasUp = false): void {
    const { deps, onDown } = this.#o;
    // Logged once per cause, not once per try, so that an administrator can read it.
    if (wasUp || reason !== this.#lastComplaint) {
      this.#lastComplaint = reason;
      const fields = { pbx: deps.name, reason, ...(hint ? { hint } : {}) };
      deps.log.warn(fields, 'pbx link down, calls take the plain path');
    }
    if (wasUp) onDown(reason);
    this.#firstTry();
    const backoffMs = Math.min(AGAIN_MIN_MS * 2 ** Math.min(this.#failures++, 8), AGAIN_MAX_MS);
    // The first try after a good link comes at once; later ones a little apart, so that many nodes do not come in step.
    const jitter = ((REAL_TIME.monotonicMs() * 7919) % 100) / 100;
    this.#cancelAgain = REAL_TIME.after(backoffMs * (0.75 + jitter / 2), () => void this.#connect());
  }

  // ── The standby ────────────────────────────────────────────────────────────────────────────────────────────────────

  #standBy(): void {
    if (this.#stopped) return;
    const { login, app } = this.#o;
    const script = new URL(import.meta.url.endsWith('.ts') ? './standby.ts' : './standby.js', import.meta.url);
    const workerData: StandbyData = { login, app, flags: this.#flags };
    // stdout and stderr are ours: the SDK prints notices there, and may print a URL with the password in it.
    const standby = new Worker(script, {
      workerData,
      stdout: true,
      stderr: true,
      name: `${this.#o.deps.name} standby`,
    });
    this.#standby = standby;
    standby.on('error', () => undefined);
    standby.on('exit', () => void REAL_TIME.after(SECOND, () => this.#standBy()));
  }

  #beat(): void {
    this.#standby?.postMessage('beat');
    this.#wasTaken();
  }

  /** True when the standby has taken our applications away: this line brings nothing any more, and the next one gets them back. */
  #wasTaken(): boolean {
    if (Atomics.exchange(this.#flags, WAS_TAKEN, 0) === 0) return false;
    this.#line?.end('the main thread stood still for a second');
    return true;
  }
}
