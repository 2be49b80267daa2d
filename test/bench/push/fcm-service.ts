/**
 * Firebase for the bench, in a process of its own, at next to no cost: HTTPS with keep-alive, an access token for whoever asks, and a
 * message's name for each message. What is measured is the client.
 */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { selfSignedCertificate } from '../../support/tls.ts';

const { key, cert } = selfSignedCertificate();
const TOKEN = JSON.stringify({ access_token: 'a'.repeat(200), expires_in: 3_600, token_type: 'Bearer' });
const MESSAGE = JSON.stringify({ name: `projects/example/messages/${'m'.repeat(20)}` });

const server = createServer({ key, cert, keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume().on('end', () => {
    const body = request.url?.includes('messages:send') ? MESSAGE : TOKEN;
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  });
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port, ca: cert });
});
