/** SIP over a WebSocket (RFC 7118): one message a frame. */
import { WebSocket } from 'ws';
import type { Transport, TransportOptions } from './transport.ts';

export function connectWebSocket(options: TransportOptions): Promise<Transport> {
  const { kind, server, host, localPort, onMessage, onClose } = options;
  const port = kind === 'wss' ? server.wss : server.ws;
  if (port === undefined) throw new Error(`the server takes no ${kind}`);
  const from = { localAddress: host, ...(localPort > 0 ? { localPort } : {}) };
  // A test server's certificate is self-signed; what is tested here is SIP, not trust.
  const socket = new WebSocket(`${kind}://${server.host}:${port}`, 'sip', { ...from, rejectUnauthorized: false });
  return new Promise((resolve, reject) => {
    let ownPort = 0;
    let closing = false;
    socket.once('error', reject);
    socket.once('upgrade', ({ socket: tcp }) => {
      ownPort = tcp.localPort ?? 0;
      tcp.setNoDelay(true);
    });
    socket.on('message', (data: Buffer) => onMessage(data));
    socket.on('close', () => {
      if (!closing) onClose();
    });
    socket.once('open', () => {
      socket.off('error', reject);
      socket.on('error', () => undefined);
      resolve({
        kind,
        localPort: ownPort,
        send: (data) => socket.send(data),
        close: (how) => {
          closing = true;
          return new Promise((closed) => {
            if (socket.readyState === WebSocket.CLOSED) return closed();
            socket.once('close', () => closed());
            if (how === 'reset') socket.terminate();
            else socket.close();
          });
        },
      });
    });
  });
}
