/**
 * TLS connections to push services, directly or through a tunnel of an HTTP proxy (CONNECT, RFC 9110 §9.3.6). Opening one takes
 * a limited time, whoever is silent. Its errors have codes of their own, so that they are found again behind the libraries that
 * wrap them. Knows nothing of requests.
 */
import { Agent, type AgentOptions } from 'node:https';
import { BlockList, connect as connectPlain, isIP, type LookupFunction, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { isLoopback } from '../../plugin/core/loopback.ts';
import type { HttpProxy } from '../../plugin/core/proxy.ts';
import type { DurationMs } from '../../plugin/core/time.ts';
import type { Clock } from '../../plugin/ports/clock.ts';

/** Why a proxy did not lead to the service. The service itself was not asked. */
export type ProxyTrouble =
  | 'proxy not reachable'
  | 'proxy certificate not trusted'
  | 'proxy gave no answer'
  | 'proxy refuses the login'
  | 'proxy refuses the service'
  | 'proxy cannot reach the service';

const CODES: Readonly<Record<ProxyTrouble, string>> = {
  'proxy not reachable': 'EPROXYUNREACHABLE',
  'proxy certificate not trusted': 'EPROXYCERTIFICATE',
  'proxy gave no answer': 'EPROXYSILENT',
  'proxy refuses the login': 'EPROXYLOGIN',
  'proxy refuses the service': 'EPROXYREFUSED',
  'proxy cannot reach the service': 'EPROXYGATEWAY',
};
const TROUBLE_OF = new Map(Object.entries(CODES).map(([trouble, code]) => [code, trouble as ProxyTrouble]));

export function isProxyTrouble(reason: string): reason is ProxyTrouble {
  return Object.hasOwn(CODES, reason);
}

/** Libraries wrap an error in one or two of their own. */
const DEEPEST_CAUSE = 5;

/** The trouble with the proxy that is behind an error; undefined: none is. */
export function proxyTroubleIn(error: unknown): ProxyTrouble | undefined {
  let here = error;
  for (let depth = 0; depth < DEEPEST_CAUSE && here instanceof Error; depth++) {
    const trouble = 'code' in here ? TROUBLE_OF.get(String(here.code)) : undefined;
    if (trouble) return trouble;
    here = here.cause;
  }
  return undefined;
}

/** Whether an error says that a certificate is not trusted; everything else is the network's. */
export function isCertificateError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const text = error instanceof Error ? error.message : '';
  return /CERT|ALTNAME|UNABLE_TO_(?:GET|VERIFY)/.test(code) || /certificate/i.test(text);
}

/** The error's text names no host: the proxy is named where the trouble is shown. */
function failure(trouble: ProxyTrouble): Error {
  return Object.assign(new Error(trouble), { code: CODES[trouble] });
}

/** The proxy for this host. Undefined: it is reached directly, as this machine itself always is. */
export function proxyFor(proxy: HttpProxy | undefined, host: string, port: number): HttpProxy | undefined {
  if (!proxy || isLoopback(host)) return undefined;
  return proxy.except.some((entry) => fits(entry.toLowerCase(), host.toLowerCase(), port)) ? undefined : proxy;
}

/** As curl and Go read NO_PROXY: a name stands for itself and for all below it. */
function fits(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true;
  const net = /^([\da-f.:]+)\/(\d{1,3})$/.exec(entry);
  if (net) return isInNet(host, net[1] as string, Number(net[2]));
  const [, name = '', onPort] = /^(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (onPort !== undefined && Number(onPort) !== port) return false;
  const bare = name.replace(/^\[(.*)\]$/, '$1').replace(/^\*?\./, '');
  return bare !== '' && (host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`)));
}

function isInNet(host: string, net: string, bits: number): boolean {
  const family = isIP(net);
  if (family === 0 || isIP(host) !== family || bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(net, bits, family === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

export interface SecureTarget {
  readonly host: string;
  readonly port: number;
  /** What the certificate must be of. Empty or absent: `host`. */
  readonly servername?: string | undefined;
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'ALPNProtocols' | 'session'>;
  /** Resolves and judges the host's name; a proxy is then given the address that was judged, not the name. */
  readonly lookup?: LookupFunction | undefined;
}

/** A push waits this share of its time for a connection: what was silent is then named, and not the service behind it. */
const OPENING_SHARE = 0.8;

export const openingMs = (requestTimeoutMs: DurationMs): DurationMs => Math.floor(requestTimeoutMs * OPENING_SHARE);

export interface Opening {
  readonly proxy: HttpProxy | undefined;
  readonly clock: Clock;
  /** For all of it: name, proxy, TLS. */
  readonly withinMs: DurationMs;
}

/** Opens a TLS connection. Rejects with an error that `proxyTroubleIn` and `isCertificateError` read. */
export function openSecure(target: SecureTarget, { proxy, clock, withinMs }: Opening): Promise<TLSSocket> {
  const via = proxyFor(proxy, target.servername || target.host, target.port);
  return new Promise((resolve, reject) => {
    let now: Socket | undefined;
    let isOver = false;
    let late = Object.assign(new Error('cannot connect in time'), { code: 'ETIMEDOUT' });
    const end = (error: unknown) => {
      if (isOver) return;
      isOver = true;
      cancel();
      now?.destroy();
      reject(error);
    };
    const cancel = clock.after(withinMs, () => end(late));
    const hold = (socket: Socket) => {
      now = socket;
      if (isOver) socket.destroy();
    };
    const secure = (over: Socket | undefined) => {
      if (isOver) return;
      const servername = target.servername || (isIP(target.host) === 0 ? target.host : '');
      const socket = connectTls({
        ...target.tls,
        ...(over ? { socket: over } : { host: target.host, port: target.port }),
        // Without a name the certificate is compared with the host it is connected to, which TLS does not know in a tunnel.
        ...(servername === '' ? { host: target.host, servername: '' } : { servername }),
        ...(!over && target.lookup && { lookup: target.lookup }),
      });
      hold(socket);
      socket.on('error', end);
      // A proxy that closes the tunnel before TLS stands.
      socket.once('close', () => end(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
      socket.once('secureConnect', () => {
        if (isOver) return;
        isOver = true;
        cancel();
        resolve(socket);
      });
    };
    if (!via) return secure(undefined);
    late = failure('proxy gave no answer') as typeof late;
    judged(target)
      .then((host) => (isOver ? undefined : openTunnel(via, host, target.port, hold)))
      .then((tunnel) => {
        if (!tunnel) return;
        late = Object.assign(new Error('cannot connect in time'), { code: 'ETIMEDOUT' });
        secure(tunnel);
      })
      .catch(end);
  });
}

/** What the proxy is asked to connect to. */
function judged({ host, lookup }: SecureTarget): Promise<string> {
  if (!lookup || isIP(host) !== 0) return Promise.resolve(host);
  return new Promise((resolve, reject) => {
    lookup(host, { all: false }, (error, address) => {
      if (error || typeof address !== 'string') reject(error ?? new Error('no address'));
      else resolve(address);
    });
  });
}

/** A proxy's answer to CONNECT is a line and some headers; what is longer is no proxy's. */
const LONGEST_ANSWER_BYTES = 16 * 1_024;

function openTunnel(proxy: HttpProxy, host: string, port: number, hold: (socket: Socket) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const name = isIP(proxy.host) === 0 ? { servername: proxy.host } : {};
    const ca = proxy.ca === undefined ? {} : { ca: proxy.ca };
    const where = { host: proxy.host, port: proxy.port };
    const socket = proxy.isSecure ? connectTls({ ...where, ...name, ...ca }) : connectPlain(where);
    hold(socket);
    let isThere = false;
    let head = '';
    const fail = (trouble: ProxyTrouble) => {
      reject(failure(trouble));
      socket.destroy();
    };
    socket.on('error', (error) => {
      if (!isThere && isCertificateError(error)) fail('proxy certificate not trusted');
      else fail(isThere ? 'proxy gave no answer' : 'proxy not reachable');
    });
    const onClose = () => fail(isThere ? 'proxy gave no answer' : 'proxy not reachable');
    socket.once('close', onClose);
    socket.once(proxy.isSecure ? 'secureConnect' : 'connect', () => {
      isThere = true;
      const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
      const login = proxy.authorization === undefined ? '' : `Proxy-Authorization: ${proxy.authorization}\r\n`;
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${login}\r\n`);
    });
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) {
        if (head.length > LONGEST_ANSWER_BYTES) fail('proxy gave no answer');
        return;
      }
      const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |\r)/.exec(head)?.[1]);
      const trouble = troubleOf(status);
      // In TLS the client speaks first: bytes behind a tunnel's answer are not the service's.
      if (trouble !== undefined || head.length > end + 4) return fail(trouble ?? 'proxy gave no answer');
      socket.off('data', onData);
      socket.off('close', onClose);
      socket.pause();
      resolve(socket);
    };
    socket.on('data', onData);
  });
}

/** Undefined: the tunnel stands. */
function troubleOf(status: number): ProxyTrouble | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status === 407) return 'proxy refuses the login';
  if (status === 408 || status === 429 || status >= 500) return 'proxy cannot reach the service';
  return status >= 300 ? 'proxy refuses the service' : 'proxy gave no answer';
}

export interface TunnelAgentOptions extends AgentOptions {
  readonly opening: Opening;
  /** In place of what the request names; `ca` with it. */
  readonly connectTo?:
    | { readonly address: string; readonly port: number; readonly ca?: string | undefined }
    | undefined;
  readonly lookup?: LookupFunction | undefined;
}

/** An agent for HTTP/1.1 whose connections are opened by `openSecure`. */
export class TunnelAgent extends Agent {
  readonly #o: TunnelAgentOptions;

  constructor({ opening, connectTo, lookup, ...options }: TunnelAgentOptions) {
    super(options);
    this.#o = { opening, connectTo, lookup };
  }

  override createConnection(...[options, callback]: Parameters<Agent['createConnection']>) {
    const { opening, connectTo, lookup } = this.#o;
    const given = options as { host?: string; port?: number | string; servername?: string; ca?: string };
    const ca = connectTo?.ca ?? given.ca;
    const target: SecureTarget = connectTo
      ? { host: connectTo.address, port: connectTo.port }
      : { host: given.host ?? '', port: Number(given.port ?? 443), servername: given.servername, lookup };
    openSecure({ ...target, tls: { ...(ca !== undefined && { ca }), ALPNProtocols: ['http/1.1'] } }, opening).then(
      (socket) => callback?.(null, socket),
      (error: unknown) => callback?.(error as Error, undefined as never),
    );
    return undefined;
  }
}
