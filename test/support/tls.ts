/**
 * Self-signed certificates for tests, made on the spot: no openssl program needed and no private key in the repository.
 * Writes the little of X.509 (RFC 5280) and DER that such a certificate takes. For tests only.
 */
import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

export interface TestCertificate {
  /** PEM, PKCS #8. */
  readonly key: string;
  /** PEM. Give it as `ca` to a client that shall trust it. */
  readonly cert: string;
}

export interface CertificateOptions {
  /** Names and addresses it is valid for. Default: `localhost`, `127.0.0.1`. */
  readonly hosts?: readonly string[];
  /** Default: a day ago, so that clocks that differ do no harm. */
  readonly notBefore?: Date;
  /** Default: in 100 years. In the past: an expired certificate. */
  readonly notAfter?: Date;
}

const DAY_MS = 86_400_000;

/** A new P-256 key and a certificate for it, signed by itself. Takes about a millisecond. */
export function selfSignedCertificate(options: CertificateOptions = {}): TestCertificate {
  const hosts = options.hosts ?? ['localhost', '127.0.0.1', 'service.test'];
  const notBefore = options.notBefore ?? new Date(Date.now() - DAY_MS);
  const notAfter = options.notAfter ?? new Date(Date.now() + 36_525 * DAY_MS);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  const name = sequence(set(sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(hosts[0] ?? 'localhost'))))); // commonName
  const algorithm = sequence(oid('1.2.840.10045.4.3.2')); // ecdsa-with-SHA256
  const altNames = sequence(
    ...hosts.map((host) => (isIP(host) === 0 ? der(0x82, Buffer.from(host)) : der(0x87, addressBytes(host)))),
  );
  const extensions = sequence(
    sequence(oid('2.5.29.17'), octetString(altNames)), // subjectAltName
    sequence(oid('2.5.29.19'), der(0x01, Buffer.from([0xff])), octetString(sequence(der(0x01, Buffer.from([0xff]))))), // CA: true
  );
  // RFC 5280 §4.1: TBSCertificate, version 3.
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(8)])),
    algorithm,
    name,
    sequence(time(notBefore), time(notAfter)),
    name,
    createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })).export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const certificate = sequence(body, algorithm, bitString(sign('sha256', body, privateKey)));
  const base64 = certificate.toString('base64').replace(/.{1,64}/g, '$&\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64}-----END CERTIFICATE-----\n`,
  };
}

/** How Chromium names the key of a certificate (`--ignore-certificate-errors-spki-list`): it then takes it for one of a known authority. */
export function spkiOf({ cert }: Pick<TestCertificate, 'cert'>): string {
  const key = createPublicKey(cert).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}

/** Tag, length, value: DER's one rule. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function set(...parts: Buffer[]): Buffer {
  return der(0x31, Buffer.concat(parts));
}

function octetString(content: Buffer): Buffer {
  return der(0x04, content);
}

function bitString(content: Buffer): Buffer {
  return der(0x03, Buffer.concat([Buffer.from([0]), content]));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return der(0x06, Buffer.from(bytes));
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on. */
function time(date: Date): Buffer {
  const digits = `${date.toISOString().replace(/[-:T]|\.\d+/g, '')}`;
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  // IPv6: fill the gap of "::" with zero groups.
  const [head = '', tail] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const middle = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0');
  return Buffer.from([...left, ...middle, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
