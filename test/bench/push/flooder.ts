/** Sends bad reports at a steady rate until told to stop: forged, of another account, malformed, too large. Kept-alive connections. */
import { connect, type Socket } from 'node:net';

const [port = '0', perSecond = '10000'] = process.argv.slice(2);
const CONNECTIONS = 20;
const EVERY_MS = 10;

const post = (body: string, type = 'application/json') =>
  `POST /v1/acrobits/token HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const report = (key: string) =>
  JSON.stringify({ account: '1001@example.com', key, installid: 'x', selector: 'S:1', pushToken: 't', pushappid: 'a' });
const KINDS = [
  post(report('A'.repeat(43))),
  post(report('B'.repeat(43))),
  post(report('')),
  post('{"account":'),
  post('account=1001%40example.com&key=wrong&pushToken=t', 'application/x-www-form-urlencoded'),
  'GET /v1/acrobits/token?account=1001@example.com&key=wrong HTTP/1.1\r\nhost: a\r\n\r\n',
  'DELETE /v1/devices/1001@example.com/install-0001 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer wrong\r\n\r\n',
].map((text) => Buffer.from(text));

let answered = 0;
let sent = 0;
const sockets: Socket[] = [];
const open = () => {
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('data', (chunk: Buffer) => {
    // One status line for each answer.
    for (let at = chunk.indexOf('HTTP/1.1 '); at >= 0; at = chunk.indexOf('HTTP/1.1 ', at + 9)) answered++;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    sockets.splice(sockets.indexOf(socket), 1);
    if (!stopping) sockets.push(open());
  });
  return socket;
};
let stopping = false;
for (let i = 0; i < CONNECTIONS; i++) sockets.push(open());

const begun = performance.now();
const timer = setInterval(() => {
  const due = Math.floor(((performance.now() - begun) / 1_000) * Number(perSecond)) - sent;
  for (let i = 0; i < due; i++) {
    const socket = sockets[sent % sockets.length];
    socket?.write(KINDS[sent % KINDS.length] as Buffer);
    sent++;
  }
}, EVERY_MS);

process.on('message', () => {
  stopping = true;
  clearInterval(timer);
  const perSecondAnswered = (answered / (performance.now() - begun)) * 1_000;
  process.send?.({ perSecond: perSecondAnswered });
  process.disconnect();
  for (const socket of sockets) socket.destroy();
});
