/**
 * An Asterisk that dials us (its outbound websocket, 22.5 and newer): requests and events go down the websocket that it has opened. The other way to an
 * Asterisk is `dial-out/`; what is said is the same and lies in `session.ts`.
 *
 * Asterisk keeps the applications of such a connection while it is away, and what they would have been told: all of that comes first when it is back,
 * before the answer to our first request. It is of calls that are over, and passed over; those that wait are asked for.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { WebSocket } from 'ws';
import type { DurationMs } from '../../../../plugin/core/time.ts';
import { SECOND } from '../../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../../plugin/ports/adapter.ts';
import { ConfigError } from '../../../../plugin/ports/config-error.ts';
import { LinkError } from '../../../../plugin/ports/pbx-link.ts';
import { safe } from '../../supervised-worker.ts';
import { Line } from '../line.ts';
import { NO_OTHERS } from '../node-orders.ts';
import { addressOf, type DialsIn } from '../options.ts';
import type { Rest, RestRequest } from '../rest.ts';
import { AriSession, appsOf, TEXTS_TAKEN } from '../session.ts';
import type { Transport, TransportEvents } from '../transport.ts';
import type { Expected } from './listener.ts';
import { type Place, waitAt } from './listeners.ts';

export interface DialInOptions extends TransportEvents {
  readonly deps: AdapterDeps;
  readonly app: string;
  readonly username: string;
  readonly password: string;
  readonly dialsIn: DialsIn;
}

/** It says which applications it has registered as soon as it is ready. */
const SPEAKS_WITHIN: DurationMs = 1 * SECOND;
const BEGINS_WITHIN: DurationMs = 5 * SECOND;
/** An Asterisk that is there dials within its `reconnect_interval`, by default half a second. */
const FIRST_DIAL: DurationMs = 10 * SECOND;
const CALM_AT_ONCE = 2;

export class DialInTransport implements Transport {
  readonly #o: DialInOptions;
  readonly #pbx: Expected;
  #place: Place | undefined;
  #line: Line | undefined;
  #lastComplaint = '';
  #stopped = false;
  #cancelFirst: () => void = () => undefined;

  constructor(options: DialInOptions) {
    this.#o = options;
    const { username, password } = options;
    this.#pbx = { username, password, dialled: (socket, from) => this.#dialled(socket, from) };
  }

  get up(): boolean {
    return this.#line?.isUp ?? false;
  }

  /** For tests: where it listens. */
  get port(): number | undefined {
    return this.#place?.listener.port;
  }

  async start(): Promise<void> {
    const { deps, dialsIn, username } = this.#o;
    const { clock, log, name: pbx } = deps;
    const { host, port } = addressOf(dialsIn.listen);
    const readTls = dialsIn.tls && readerOf(dialsIn.tls);
    this.#place = await waitAt({ host, port, readTls, clock, log }, this.#pbx);
    if (!this.#place) {
      const hint = 'give each PBX a username of its own, here and in its websocket_client.conf';
      return log.error({ pbx, username, hint }, 'another PBX dials in with this username');
    }
    // The other PBXs of this port are started after this one, and their Asterisks dial already: nobody waits here.
    this.#cancelFirst = clock.after(FIRST_DIAL, () => {
      if (!this.up) log.warn({ pbx, port: this.port }, 'this Asterisk has not dialled in yet');
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelFirst();
    this.#line?.end('stopped');
    await this.#place?.leave();
  }

  /** Rejects with LinkError when the link is down or the deadline passes. */
  call<T>(operation: string, args: unknown, deadlineMs: number): Promise<T> {
    const line = this.#line;
    if (!line?.isUp) return Promise.reject(new LinkError(`link ${this.#o.deps.name} is down`));
    return line.run(operation, args, deadlineMs);
  }

  #dialled(socket: WebSocket, from: string): void {
    if (this.#stopped) return socket.terminate();
    // One that was half open is replaced by the Asterisk's next try.
    this.#line?.end('the Asterisk has dialled anew');
    const { deps, app, onEvent } = this.#o;
    const { clock: time, log, name: pbx } = deps;
    const line: Line = new Line(socket, {
      pbx,
      time,
      log,
      comesLate: true,
      acknowledges: true,
      session: (rest) =>
        new AriSession(
          app,
          { rest, calmRest: calmly(rest, CALM_AT_ONCE) },
          { ...NO_OTHERS, after: (ms) => new Promise((resolve) => void time.after(ms, resolve)) },
        ),
      onEvent: (event) => {
        if (line === this.#line && line.isUp) onEvent(event);
      },
      onEnd: (reason, hint) => this.#ended(line, reason, hint),
    });
    this.#line = line;
    line.within(BEGINS_WITHIN, 'answer our first requests', this.#begin(line)).then(
      ({ version, texts, ...why }) => {
        if (line !== this.#line) return;
        line.isUp = true;
        this.#lastComplaint = '';
        deps.log.info({ pbx: deps.name, version, rest: 'websocket', from }, 'pbx link up');
        if (texts === 'taken')
          deps.log.warn({ pbx: deps.name, ...why, hint: TEXTS_TAKEN }, 'texts that nobody takes are not refused');
        this.#o.onUp({ version });
      },
      (error: unknown) => line.end(safe(error), hintOf(app)),
    );
  }

  async #begin(line: Line) {
    // What is written before its first word lies in a buffer of its handshake until more comes: seen on 22.10.1.
    await this.#spoken(line);
    const { status, body } = await line.rest.ask({ method: 'GET', path: 'asterisk/info' });
    if (status !== 200) throw new Error(`Asterisk answers ${status} to our first request`);
    await line.session.filter();
    await line.session.learnCauses();
    const contacts = await line.session.hearContacts();
    const { system } = body as { system?: { version?: string } };
    return { version: String(system?.version ?? 'unknown'), ...contacts };
  }

  #spoken(line: Line): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#o.deps.clock.after(SPEAKS_WITHIN, resolve);
      void line.speaks.then(() => {
        cancel();
        resolve();
      });
    });
  }

  #ended(line: Line, reason: string, hint?: string): void {
    if (line !== this.#line) return;
    this.#line = undefined;
    if (this.#stopped) return;
    const { deps, onDown } = this.#o;
    if (line.isUp || reason !== this.#lastComplaint) {
      this.#lastComplaint = reason;
      const fields = { pbx: deps.name, reason, ...(hint ? { hint } : {}) };
      deps.log.warn(fields, 'pbx link down, calls take the plain path');
    }
    if (line.isUp) onDown(reason);
  }
}

export const readerOf = (files: NonNullable<DialsIn['tls']>) => () => ({
  cert: readFileSync(files.cert, 'utf8'),
  key: readFileSync(files.key, 'utf8'),
});

/** Throws `ConfigError` for files that cannot be used: `check-config` makes each link once. */
export function usableTls({ tls }: DialsIn, path: string): void {
  if (!tls) return;
  try {
    createSecureContext(readerOf(tls)());
  } catch (error) {
    const { code, path: file } = error as NodeJS.ErrnoException;
    const why = file === undefined ? 'cert and key are not of each other, or are no PEM' : `${file}: ${code}`;
    throw new ConfigError(`${path}: expected a certificate with its key; ${why}`);
  }
}

const hintOf = (app: string) =>
  `its ari.conf needs a section with type = outbound_websocket, apps = ${appsOf(app).join(',')} and a local_ari_user that may write`;

/** The same way, few at once. */
function calmly(rest: Rest, atOnce: number): Rest {
  let underWay = 0;
  const waiting: (() => void)[] = [];
  const ask = async (r: RestRequest) => {
    if (underWay >= atOnce) await new Promise<void>((next) => waiting.push(next));
    else underWay++;
    try {
      return await rest.ask(r);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else underWay--;
    }
  };
  return { keepsOrder: rest.keepsOrder, ask };
}
