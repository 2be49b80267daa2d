/** How messages reach the server: UDP, TCP or TLS on 127.0.0.1. One socket per phone, as on a real one. */
import { createSocket } from 'node:dgram';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { StreamFramer } from './framing.ts';

export type TransportKind = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

export interface ServerAddress {
  readonly host: string;
  readonly udp: number;
  readonly tcp: number;
  readonly tls: number;
  readonly ws?: number;
  readonly wss?: number;
}

/** `end`: in good order (FIN). `reset`: at once (RST), which also frees the port for reuse. */
export type CloseHow = 'end' | 'reset';

export interface Transport {
  readonly kind: TransportKind;
  readonly localPort: number;
  send(data: string): void;
  /** Resolves when the port is free again. For UDP `how` makes no difference. */
  close(how: CloseHow): Promise<void>;
}

export interface TransportOptions {
  readonly kind: TransportKind;
  readonly server: ServerAddress;
  readonly host: string;
  /** 0: the system chooses a free port. */
  readonly localPort: number;
  readonly onMessage: (data: Buffer) => void;
  /** The other side closed the connection, or it broke. Never called for UDP nor after `close`. */
  readonly onClose: () => void;
}

export function openTransport(options: TransportOptions): Promise<Transport> {
  if (options.kind === 'udp') return openUdp(options);
  return options.kind === 'ws' || options.kind === 'wss' ? openWebSocket(options) : openStream(options);
}

/** RFC 7118. The library is the tests' own: the demo, which is delivered, does without it. */
async function openWebSocket(options: TransportOptions): Promise<Transport> {
  const { connectWebSocket } = await import('./websocket.ts');
  return connectWebSocket(options);
}

/** As it stands in a URI and in a Via. */
export function inUri(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function openUdp({ server, host, localPort, onMessage }: TransportOptions): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', reject);
    socket.bind(localPort, host, () => {
      socket.off('error', reject);
      // A server that is down shows as ECONNREFUSED; the retransmissions deal with it.
      socket.on('error', () => undefined);
      socket.on('message', onMessage);
      resolve({
        kind: 'udp',
        localPort: socket.address().port,
        send: (data) => socket.send(data, server.udp, server.host, () => undefined),
        close: () => new Promise((closed) => socket.close(() => closed())),
      });
    });
  });
}

function openStream({ kind, server, host, localPort, onMessage, onClose }: TransportOptions): Promise<Transport> {
  const from = { host: server.host, localAddress: host, ...(localPort > 0 ? { localPort } : {}) };
  return new Promise((resolve, reject) => {
    const tcp = connectTcp({ ...from, port: kind === 'tls' ? server.tls : server.tcp });
    // A test server's certificate is self-signed; what is tested here is SIP, not trust.
    const socket: Socket = kind === 'tls' ? connectTls({ socket: tcp, rejectUnauthorized: false }) : tcp;
    tcp.once('error', reject);
    socket.once('error', reject);
    socket.once(kind === 'tls' ? 'secureConnect' : 'connect', () => {
      const port = tcp.localPort ?? 0;
      const framer = new StreamFramer();
      let closing = false;
      for (const one of [tcp, socket]) {
        one.off('error', reject);
        one.on('error', () => undefined);
      }
      tcp.setNoDelay(true);
      socket.on('data', (chunk: Buffer) => {
        for (const message of framer.push(chunk)) onMessage(message);
      });
      tcp.on('close', () => {
        if (!closing) onClose();
      });
      resolve({
        kind,
        localPort: port,
        send: (data) => void socket.write(data),
        close: (how) => {
          closing = true;
          return new Promise((closed) => {
            if (tcp.closed) return closed();
            tcp.once('close', () => closed());
            if (how === 'reset') tcp.resetAndDestroy();
            else socket.end(() => tcp.destroySoon());
          });
        },
      });
    });
  });
}
