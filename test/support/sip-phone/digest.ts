/** Digest authentication, the client's side: MD5, with and without `qop=auth` (RFC 2617, RFC 3261 §22). */
import { createHash, randomBytes } from 'node:crypto';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface DigestInput extends Credentials {
  readonly method: string;
  readonly uri: string;
  /** Value of WWW-Authenticate or Proxy-Authenticate. */
  readonly challenge: string;
  /** Default: random. */
  readonly cnonce?: string;
}

/** The value of Authorization or Proxy-Authorization that answers a challenge. */
export function digestAnswer(input: DigestInput): string {
  const challenge = parseChallenge(input.challenge);
  const realm = challenge.get('realm') ?? '';
  const nonce = challenge.get('nonce') ?? '';
  const opaque = challenge.get('opaque');
  const useQop = (challenge.get('qop') ?? '').split(/\s*,\s*/).includes('auth');
  const cnonce = input.cnonce ?? randomBytes(8).toString('hex');
  const nc = '00000001'; // each challenge is answered once
  const secret = md5(`${input.user}:${realm}:${input.password}`);
  const request = md5(`${input.method}:${input.uri}`);
  const response = useQop
    ? md5(`${secret}:${nonce}:${nc}:${cnonce}:auth:${request}`)
    : md5(`${secret}:${nonce}:${request}`);
  return [
    `Digest username="${input.user}", realm="${realm}", nonce="${nonce}", uri="${input.uri}", response="${response}"`,
    'algorithm=MD5',
    ...(useQop ? [`qop=auth, nc=${nc}, cnonce="${cnonce}"`] : []),
    ...(opaque === undefined ? [] : [`opaque="${opaque}"`]),
  ].join(', ');
}

/** `Digest a="b", c=d` as a map with lower-case names. */
export function parseChallenge(value: string): Map<string, string> {
  const params = new Map<string, string>();
  for (const match of value
    .replace(/^\s*Digest\s+/i, '')
    .matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)) {
    params.set(match[1]!.toLowerCase(), match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '');
  }
  return params;
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
