/**
 * The HEP collector: takes the datagrams of `res_hep_pjsip`, passes each on as it came (so that Homer keeps working), and
 * reports registrations. It sees all SIP of the PBX and looks at REGISTER only; nothing of it is kept or logged.
 * When the collector cannot listen, only this sensor is missing, not the PBX: it logs that and tries again.
 */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { type DurationMs, MINUTE, SECOND } from '../../../plugin/core/time.ts';
import type { AdapterDeps } from '../../../plugin/ports/adapter.ts';
import { mayConcernUs, parseHep, passwordMatches } from './hep-datagram.ts';
import { isRefusal, RegisterPairs, type WireRefusal, type WireRegister } from './hep-register.ts';
import { TextProofs } from './hep-texts.ts';

export interface HepOptions {
  /** `host:port`, `[v6]:port`. */
  readonly listen: string;
  readonly password?: string | undefined;
  readonly forward?: string | undefined;
}

export interface HepCounters {
  received: number;
  /** Not HEPv3, or cut. */
  unreadable: number;
  wrongPassword: number;
  registers: number;
  forwarded: number;
  forwardErrors: number;
}

const FIRST_RETRY: DurationMs = 5 * SECOND;
const LAST_RETRY: DurationMs = 5 * MINUTE;
/** 500 REGISTER/s are 1.5 MB/s; room for a second in which the main thread does something else. The kernel may give less. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

/**
 * Asterisk tells a new contact a fraction of a millisecond after its REGISTER has been answered on the wire. A call may wait for that phone: the event goes
 * first, and what follows from the wire does not take the processor from Asterisk at that moment.
 */
const REPORTED_AFTER: DurationMs = 1;

export class HepSensor {
  readonly counters: HepCounters = {
    received: 0,
    unreadable: 0,
    wrongPassword: 0,
    registers: 0,
    forwarded: 0,
    forwardErrors: 0,
  };
  readonly texts: TextProofs;
  readonly #options: HepOptions;
  readonly #deps: AdapterDeps;
  readonly #report: (read: WireRegister | WireRefusal) => void;
  readonly #pairs: RegisterPairs;
  #toTell: (WireRegister | WireRefusal)[] = [];
  #cancelTelling: (() => void) | undefined;
  #in: Socket | undefined;
  #out: Socket | undefined;
  #cancelIn: (() => void) | undefined;
  #cancelOut: (() => void) | undefined;
  #stopped = false;

  constructor(options: HepOptions, deps: AdapterDeps, report: (read: WireRegister | WireRefusal) => void) {
    this.#options = options;
    this.#deps = deps;
    this.#report = report;
    this.#pairs = new RegisterPairs(deps.clock);
    this.texts = new TextProofs(deps.clock);
  }

  /** Where it listens; undefined while it cannot. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    const bound = this.#in?.address();
    return bound && { host: bound.address, port: bound.port };
  }

  /** Resolves after the first attempt, whatever came of it. */
  async start(): Promise<void> {
    if (this.#options.forward !== undefined) await this.#openOut(this.#options.forward, FIRST_RETRY);
    await this.#openIn(FIRST_RETRY);
  }

  /** Stops the collector; nothing is reported afterwards. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelIn?.();
    this.#cancelOut?.();
    this.#cancelTelling?.();
    const sockets = [this.#in, this.#out];
    this.#in = undefined;
    this.#out = undefined;
    await Promise.all(sockets.map((s) => s && new Promise<void>((done) => s.close(done))));
  }

  #datagram(bytes: Buffer): void {
    this.counters.received++;
    // The other collector goes first: it gets every datagram, also those that we cannot read.
    this.#passOn(bytes);
    const datagram = parseHep(bytes);
    if (!datagram) {
      this.counters.unreadable++;
      return;
    }
    if (!mayConcernUs(datagram.payload) && this.texts.isIdle) return;
    const { password } = this.#options;
    if (password !== undefined && !passwordMatches(password, datagram.password)) {
      // Logged once: with a wrong line in hep.conf it would be logged 500 times a second.
      if (this.counters.wrongPassword++ === 0)
        this.#deps.log.warn({ pbx: this.#deps.name }, 'hep datagram with a wrong capture_password dropped');
      return;
    }
    this.texts.take(datagram.payload);
    const read = this.#pairs.take(datagram);
    if (!read) return;
    if (!isRefusal(read)) this.counters.registers++;
    this.#tell(read);
  }

  /** Registrations of a moment are reported together. */
  #tell(read: WireRegister | WireRefusal): void {
    if (this.#toTell.push(read) > 1) return;
    this.#cancelTelling = this.#deps.clock.after(REPORTED_AFTER, () => {
      const all = this.#toTell;
      this.#toTell = [];
      for (const one of all) this.#report(one);
    });
  }

  #passOn(bytes: Buffer): void {
    this.#out?.send(bytes, (error) => {
      if (error) this.counters.forwardErrors++;
      else this.counters.forwarded++;
    });
  }

  async #openIn(retryMs: DurationMs): Promise<void> {
    try {
      const { host, port } = hostPort(this.#options.listen);
      const { address, family } = await lookup(host);
      const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', recvBufferSize: RECEIVE_BUFFER });
      await new Promise<void>((listening, refused) => {
        socket.once('error', refused);
        socket.bind(port, address, listening);
      }).catch((error: unknown) => {
        socket.close();
        throw error;
      });
      socket.removeAllListeners('error');
      socket.on('error', (error) =>
        this.#deps.log.warn({ pbx: this.#deps.name, reason: error.message }, 'hep socket error'),
      );
      if (this.#stopped) {
        socket.close();
        return;
      }
      socket.on('message', (bytes) => {
        if (!this.#stopped) this.#datagram(bytes);
      });
      this.#in = socket;
    } catch (error) {
      if (this.#stopped) return;
      const reason = error instanceof Error ? error.message : String(error);
      const fields = { pbx: this.#deps.name, listen: this.#options.listen, reason, retryInMs: retryMs };
      this.#deps.log.error(fields, 'hep cannot listen, refreshes are seen by asking only');
      this.#cancelIn = this.#deps.clock.after(retryMs, () => void this.#openIn(Math.min(retryMs * 2, LAST_RETRY)));
    }
  }

  /** Connected, so that the name is looked up once and the order is kept. */
  async #openOut(forward: string, retryMs: DurationMs): Promise<void> {
    try {
      const { host, port } = hostPort(forward);
      const { address, family } = await lookup(host);
      const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
      // Nobody listens there at the moment (an ICMP answer to an earlier send); it may come back.
      socket.on('error', () => {
        this.counters.forwardErrors++;
      });
      await new Promise<void>((connected) => socket.connect(port, address, connected));
      if (this.#stopped) socket.close();
      else this.#out = socket;
    } catch (error) {
      if (this.#stopped) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#deps.log.warn({ pbx: this.#deps.name, forward, reason, retryInMs: retryMs }, 'hep.forward not reachable');
      const again = () => void this.#openOut(forward, Math.min(retryMs * 2, LAST_RETRY));
      this.#cancelOut = this.#deps.clock.after(retryMs, again);
    }
  }
}

function hostPort(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}
