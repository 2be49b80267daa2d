/** One audio stream: a 1000 Hz tone in PCMU, a packet every 20 ms (RFC 3550), and a count of what comes back. */

import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import type { MediaAddress } from './sdp.ts';
import { SrtpSender } from './srtp.ts';
import { stunAnswer } from './stun.ts';

export interface RtpStats {
  /** Packets sent. */
  readonly sent: number;
  /** Packets of PCMU received. */
  readonly received: number;
  /** Instants of `performance.now()`. */
  readonly firstReceivedAt: number | undefined;
  readonly lastReceivedAt: number | undefined;
}

const PACKET_MS = 20;
const SAMPLES_PER_PACKET = 160;
/** G.711 table 6: one period of a 1000 Hz tone at 0 dBm0, μ-law. */
const TONE_PERIOD = Buffer.from([0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e]);
const TONE = Buffer.alloc(SAMPLES_PER_PACKET, TONE_PERIOD);

export class RtpStream {
  readonly #socket: Socket;
  readonly #onReceived: () => void;
  readonly #ssrc = randomBytes(4);
  #remote: MediaAddress | undefined;
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #sent = 0;
  #received = 0;
  #firstReceivedAt: number | undefined;
  #lastReceivedAt: number | undefined;
  #srtp: SrtpSender | undefined;
  #icePassword: string | undefined;
  /** What was heard last, a second of it. */
  #heard: Buffer[] = [];

  private constructor(socket: Socket, onReceived: () => void) {
    this.#socket = socket;
    this.#onReceived = onReceived;
    socket.on('message', (packet, from) => {
      const check = this.#icePassword === undefined ? undefined : stunAnswer(packet, from, this.#icePassword);
      if (check) socket.send(check, from.port, from.address, () => undefined);
      else this.#take(packet);
    });
    // The other side may have closed its port a moment before us.
    socket.on('error', () => undefined);
  }

  static open(host: string, onReceived: () => void): Promise<RtpStream> {
    return new Promise((resolve, reject) => {
      const socket = createSocket('udp4');
      socket.once('error', reject);
      socket.bind(0, host, () => resolve(new RtpStream(socket, onReceived)));
    });
  }

  get local(): MediaAddress {
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  get stats(): RtpStats {
    return {
      sent: this.#sent,
      received: this.#received,
      firstReceivedAt: this.#firstReceivedAt,
      lastReceivedAt: this.#lastReceivedAt,
    };
  }

  /** The tone of what was heard last, in Hz, by how often it changes its sign; 0: silence. */
  heardTone(): number {
    const heard = Buffer.concat(this.#heard);
    // μ-law: the exponent of 0xff is the least, of 0x80 the most.
    const isLoud = heard.some((byte) => (~byte & 0x70) >= 0x40);
    let changes = 0;
    for (let i = 1; i < heard.length; i++) if (((heard[i] ?? 0) ^ (heard[i - 1] ?? 0)) & 0x80) changes++;
    return isLoud ? (changes / 2 / heard.length) * 8_000 : 0;
  }

  /** From now on what is sent is encrypted, and connectivity checks are answered, where the SDP says so. */
  agree({ srtpKey, icePassword }: { readonly srtpKey?: Buffer; readonly icePassword?: string }): void {
    this.#srtp = srtpKey && new SrtpSender(srtpKey);
    this.#icePassword = icePassword;
  }

  /** Starts sending, or sends on to another address (re-INVITE). */
  sendTo(remote: MediaAddress): void {
    this.#remote = remote;
    if (this.#timer) return;
    this.#startedAt = performance.now();
    this.#timer = setInterval(() => this.#sendDue(), PACKET_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#remote = undefined;
    try {
      this.#socket.close();
    } catch {
      // Closed already.
    }
  }

  /** A timer of a busy machine rings late: send as many packets as should have gone by now. */
  #sendDue(): void {
    const due = Math.floor((performance.now() - this.#startedAt) / PACKET_MS);
    while (this.#remote && this.#sent < due) {
      const header = Buffer.alloc(12);
      header[0] = 0x80; // version 2
      header[1] = this.#sent === 0 ? 0x80 : 0; // marker on the first packet; payload type 0 is PCMU
      header.writeUInt16BE(this.#sent & 0xffff, 2);
      header.writeUInt32BE((this.#sent * SAMPLES_PER_PACKET) >>> 0, 4);
      this.#ssrc.copy(header, 8);
      const packet = Buffer.concat([header, TONE]);
      const sent = this.#srtp?.protect(packet) ?? packet;
      this.#socket.send(sent, this.#remote.port, this.#remote.host, () => undefined);
      this.#sent++;
    }
  }

  #take(packet: Buffer): void {
    const isPcmu = packet.length > 12 && packet[0]! >> 6 === 2 && (packet[1]! & 0x7f) === 0;
    if (!isPcmu) return;
    this.#received++;
    this.#heard = [...this.#heard.slice(-49), packet.subarray(12)];
    this.#lastReceivedAt = performance.now();
    this.#firstReceivedAt ??= this.#lastReceivedAt;
    this.#onReceived();
  }
}
