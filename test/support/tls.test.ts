import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { expect, it } from 'vitest';
import { selfSignedCertificate } from './tls.ts';

const DAY_MS = 86_400_000;

it('makes a certificate a client accepts when it trusts it', async () => {
  const pair = selfSignedCertificate();
  const server = createServer(pair, (socket: TLSSocket) => void socket.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = connect({ host: '127.0.0.1', port: address.port, ca: pair.cert });
  const [data] = (await once(client, 'data')) as [Buffer];
  expect(data.toString()).toBe('hello');
  expect(client.authorized).toBe(true);
  client.destroy();
  server.close();
});

it('names the hosts and holds for a hundred years', () => {
  const certificate = new X509Certificate(selfSignedCertificate({ hosts: ['push.example', '127.0.0.1', '::1'] }).cert);
  expect(certificate.checkHost('push.example')).toBe('push.example');
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.subjectAltName).toContain('IP Address:0:0:0:0:0:0:0:1');
  expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.now() + 36_000 * DAY_MS);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
});

it('makes an expired one on request', () => {
  const notAfter = new Date(Date.now() - DAY_MS);
  const certificate = new X509Certificate(selfSignedCertificate({ notBefore: new Date(0), notAfter }).cert);
  expect(Math.abs(Date.parse(certificate.validTo) - notAfter.getTime())).toBeLessThan(1000);
});
