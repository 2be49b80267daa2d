/** The yardstick: as little as one can write around node:http2 and still learn each push's answer. */
import { connect } from 'node:http2';

export interface BareClient {
  send(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<number>;
  close(): void;
}

export function bareClient(endpoint: { address: string; port: number; ca: string }, connections: number): BareClient {
  const origin = `https://${endpoint.address}:${endpoint.port}`;
  const sessions = Array.from({ length: connections }, () => connect(origin, { ca: endpoint.ca }));
  let turn = 0;
  return {
    send(path, headers, body) {
      const session = sessions[turn++ % sessions.length] as (typeof sessions)[number];
      return new Promise((resolve, reject) => {
        const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
        let status = 0;
        stream.on('response', (head) => {
          status = Number(head[':status']);
        });
        stream.on('data', () => undefined);
        stream.on('end', () => resolve(status));
        stream.on('error', reject);
        stream.end(body);
      });
    },
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}
