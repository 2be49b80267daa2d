/**
 * A TCP line that a test can cut, stall and mend, between pushwake and a PBX. Also says something of its own on a websocket
 * that passes through: what no real PBX can be made to say.
 */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  isWebSocket: boolean;
}

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Where new connections lead to. */
  targetPort: number;
  #cut = false;
  #stalled = false;
  #deaf = false;
  /** While stalled: new connections are as dead as those that were there. */
  stallNew = true;
  /** Connections ever made. */
  connectionsEver = 0;

  private constructor(targetPort: number) {
    this.targetPort = targetPort;
    this.#server = createServer((client) => this.#connected(client, this.targetPort));
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    await new Promise<void>((listening) => proxy.#server.listen(0, '127.0.0.1', listening));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Websockets now open. */
  get webSockets(): number {
    return [...this.#pairs].filter((p) => p.isWebSocket).length;
  }

  /** Ends every connection and refuses new ones until `mend`. */
  cut(): void {
    this.#cut = true;
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Nothing passes any more, and nobody is told: a network that went away. */
  stall(): void {
    this.#stalled = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  /** Nothing that the client sends arrives any more, on new connections neither; what the server says passes. */
  deafen(): void {
    this.#deaf = true;
    for (const { client } of this.#pairs) client.pause();
  }

  /** As new. What was held up by a stall passes now. */
  mend(): void {
    this.#cut = false;
    this.#stalled = false;
    this.#deaf = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  /** Sends a text message on every websocket, as if the PBX had. Between two of its own messages: call it while it is quiet. */
  sayOnWebSocket(text: string): number {
    const open = [...this.#pairs].filter((p) => p.isWebSocket);
    for (const { client } of open) client.write(textFrame(text));
    return open.length;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((closed) => this.#server.close(() => closed()));
  }

  #connected(client: Socket, targetPort: number): void {
    this.connectionsEver++;
    client.on('error', () => undefined);
    if (this.#cut) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ host: '127.0.0.1', port: targetPort });
    const pair: Pair = { client, server, isWebSocket: false };
    this.#pairs.add(pair);
    server.on('error', () => undefined);
    client.on('data', (bytes) => {
      if (/^GET [^\r\n]*\/events[?\s]/.test(bytes.toString('latin1', 0, 200))) pair.isWebSocket = true;
      server.write(bytes);
    });
    server.on('data', (bytes) => void client.write(bytes));
    client.on('close', () => server.destroy());
    server.on('close', () => {
      this.#pairs.delete(pair);
      client.destroy();
    });
    if (this.#stalled && this.stallNew) {
      client.pause();
      server.pause();
    }
    if (this.#deaf) client.pause();
  }
}

/** RFC 6455 §5.2: FIN and text, not masked, as a server sends it. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? Buffer.from([0x81, payload.length]) : Buffer.from([0x81, 126, 0, 0]);
  if (payload.length >= 126) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}
