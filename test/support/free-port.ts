/** A TCP port of 127.0.0.1 that nobody listens on. */
import { type AddressInfo, createServer } from 'node:net';

/** `below`: a Redis Cluster needs the port 10,000 above as well. */
export async function freePort(below = 65_536): Promise<number> {
  for (;;) {
    const server = createServer();
    await new Promise<void>((listening, failed) => {
      server.once('error', failed);
      server.listen(0, '127.0.0.1', listening);
    });
    const { port } = server.address() as AddressInfo;
    await new Promise((closed) => server.close(closed));
    if (port < below) return port;
  }
}
