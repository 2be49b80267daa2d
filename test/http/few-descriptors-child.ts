/** A listener in a process that may open few files: says its port, and on each line of stdin how many links it could open. */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { connectionShares, descriptorLimit } from '../../plugin/app/descriptors.ts';
import { HttpListener } from '../../plugin/http/listener.ts';

const nothing = () => undefined;
const limit = descriptorLimit();
const [maxConnections, linkPort] = [
  process.argv[2] === 'capped' ? connectionShares(limit).devices : 1e6,
  process.argv[3],
];
const listener = new HttpListener({
  name: 'devices',
  title: 'x',
  version: '0',
  host: '127.0.0.1',
  port: 0,
  ratePerMinute: 0,
  maxConnections,
  routes: [],
  log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  clock: systemClock(),
});
await listener.start();
process.stdout.write(`${JSON.stringify({ limit, port: listener.address?.port })}\n`);
createInterface({ input: process.stdin }).on('line', async () => {
  const links = Array.from(
    { length: 20 },
    () =>
      new Promise<string>((done) => {
        const socket = connect(Number(linkPort), '127.0.0.1', () => done('up'));
        socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'error'));
      }),
  );
  process.stdout.write(`${JSON.stringify(await Promise.all(links))}\n`);
});
