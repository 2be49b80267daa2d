/** A listener in a process that may open few files: says its port, and on each line of stdin how many links it could open. */
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { connectionShares, descriptorLimit } from '../../plugin/app/descriptors.ts';
import { HttpListener } from '../../plugin/http/listener.ts';

const nothing = () => undefined;
const TURNS = 200;

/** The kernel takes connections before this process does: resolves once no descriptor has come for so many turns of the loop. */
async function allAccepted(): Promise<void> {
  const open = () => readdirSync('/proc/self/fd').length;
  for (let before = -1, still = 0; still < TURNS; ) {
    await new Promise((turn) => setImmediate(turn));
    let now = before;
    try {
      now = open();
    } catch {
      // No descriptor is left to look with, so none has come either.
    }
    still = now === before ? still + 1 : 0;
    before = now;
  }
}

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
  await allAccepted();
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
