/** Sends the pushes that Kamailio asks for on its evapi socket, each "token number": what stands beside it in such a site. */
import { connect } from 'node:net';
import { type BareApp, type BareEndpoint, barePush } from './bare-push.ts';

interface Job {
  readonly app: BareApp;
  readonly endpoint: BareEndpoint;
  readonly port: number;
}

const job = JSON.parse(process.argv[2] ?? '') as Job;
const apns = barePush(job.app, job.endpoint);
let rest = '';

function ask(): void {
  const socket = connect(job.port, '127.0.0.1');
  socket.setEncoding('latin1');
  socket.on('connect', () => void apns.ready.then(() => process.stdout.write('ready\n')));
  socket.on('data', (text: string) => {
    rest += text;
    // Netstrings: 68:…,
    for (;;) {
      const at = rest.indexOf(':');
      const end = at + 1 + Number(rest.slice(0, at));
      if (at < 0 || rest.length <= end) return;
      const [token = '', number] = rest.slice(at + 1, end).split(' ');
      rest = rest.slice(end + 1);
      apns.push(token, { call: number });
    }
  });
  socket.on('error', () => undefined);
  // It was killed: asks again until it is back.
  socket.on('close', () => {
    rest = '';
    setTimeout(ask, 100);
  });
}
ask();
