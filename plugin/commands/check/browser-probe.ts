/**
 * Asks one address as a browser does, once, and says what was seen. What is asked holds no secret, so that it may be sent before the certificate is judged:
 * what is wrong beside the certificate is then seen as well.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type ClientRequest, type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { isIP } from 'node:net';
import { getCACertificates, type TLSSocket } from 'node:tls';
import { type DurationMs, instant, SECOND } from '../../core/time.ts';
import type { Seen, SeenAnswer, SeenCertificate } from './browser-findings.ts';

const LIMIT: DurationMs = 3 * SECOND;
const HEADER_BYTES = 8_192;
const NAMES_SHOWN = 3;
/** RFC 6455 §1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** With a name that does not fit Node.js puts this in place of what OpenSSL says. */
const OTHER_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID';

export interface Probing {
  /** Where the page is from: proxies may look at it. */
  readonly origin?: string;
  /** PEM of further authorities. */
  readonly ca?: readonly string[];
  readonly limit?: DurationMs;
}

/** SIP over WebSocket, RFC 7118. */
export function lookAtWebSocket(url: string, { origin, ...rest }: Probing = {}): Promise<Seen> {
  const key = randomBytes(16).toString('base64');
  const accept = createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64');
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    'sec-websocket-protocol': 'sip',
    ...(origin === undefined ? {} : { origin }),
  };
  const asked = url.replace(/^ws/, 'http');
  return look(asked, headers, rest, ({ statusCode = 0, headers: said }) => {
    const subprotocol = said['sec-websocket-protocol'];
    return {
      status: statusCode,
      ...(statusCode === 101 ? { isOurs: said['sec-websocket-accept'] === accept } : {}),
      ...(typeof subprotocol === 'string' ? { subprotocol } : {}),
    };
  });
}

export function lookAtPage(url: string, probing: Probing = {}): Promise<Seen> {
  return look(url, { accept: 'text/html' }, probing, ({ statusCode = 0 }) => ({ status: statusCode }));
}

function look(
  url: string,
  headers: Readonly<Record<string, string>>,
  { ca = [], limit = LIMIT }: Probing,
  read: (answer: IncomingMessage) => SeenAnswer,
): Promise<Seen> {
  const { hostname, protocol } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const options = { headers, agent: false as const, maxHeaderSize: HEADER_BYTES, signal: AbortSignal.timeout(limit) };
  return new Promise((resolve) => {
    let certificate: SeenCertificate | undefined;
    const end = (rest: Seen) => {
      resolve({ ...(certificate ? { certificate } : {}), ...rest });
      asked.destroy();
    };
    const asked: ClientRequest =
      protocol === 'https:'
        ? requestSecure(url, { ...options, ca: [...authorities(), ...ca], rejectUnauthorized: false })
        : requestPlain(url, options);
    asked.once('socket', (socket) => {
      socket.once('secureConnect', () => {
        certificate = certificateOf(socket as TLSSocket, host);
      });
    });
    const onAnswer = (answer: IncomingMessage) => end({ answer: read(answer) });
    asked.once('response', onAnswer);
    asked.once('upgrade', (answer, socket) => {
      onAnswer(answer);
      socket.destroy();
    });
    asked.on('error', (error: NodeJS.ErrnoException) => end({ unreachable: reasonOf(error) }));
    asked.end();
  });
}

/** Browsers ask the system as well as their own list. */
const authorities = (): string[] => [...getCACertificates('default'), ...getCACertificates('system')];

function reasonOf({ name, code, message }: NodeJS.ErrnoException): string {
  if (name === 'AbortError' || name === 'TimeoutError' || code === 'ETIMEDOUT') return 'no answer in time';
  return code ?? message;
}

function certificateOf(socket: TLSSocket, host: string): SeenCertificate | undefined {
  const x509 = socket.getPeerX509Certificate();
  if (!x509) return undefined;
  // Browsers read the alternative names alone, never the subject.
  const fits = isIP(host) === 0 ? x509.checkHost(host, { subject: 'never' }) : x509.checkIP(host);
  const error = socket.authorizationError as unknown as string | Error | null;
  const refused = error instanceof Error ? (error as NodeJS.ErrnoException).code : (error ?? undefined);
  return {
    ...(refused === undefined || refused === OTHER_NAME ? {} : { refused: String(refused) }),
    fits: fits !== undefined,
    names: namesIn(x509.subjectAltName ?? ''),
    from: instant(x509.validFromDate.getTime()),
    until: instant(x509.validToDate.getTime()),
  };
}

/** From `DNS:example.com, IP Address:192.0.2.1`; what is no name is left out, as it goes to a terminal. */
function namesIn(alternatives: string): string[] {
  const names = alternatives.split(', ').map((one) => one.replace(/^(?:DNS|IP Address):/, ''));
  return names.filter((name) => /^[\w*.:-]{1,100}$/.test(name)).slice(0, NAMES_SHOWN);
}
