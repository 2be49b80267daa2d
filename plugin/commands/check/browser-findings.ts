/** What is said of an address that browsers use: the page of the phone, and the WebSocket of the PBX. Pure: what was seen is given. */
import { between, DAY, type Instant } from '../../core/time.ts';
import type { Finding } from '../../ports/finding.ts';

/** What was seen at one address. */
export interface Seen {
  /** Undefined where it is none of TLS, or nothing was heard. */
  readonly certificate?: SeenCertificate;
  /** Why nothing was heard, as `code` of an error. */
  readonly unreachable?: string;
  readonly answer?: SeenAnswer;
}

export interface SeenCertificate {
  /** What OpenSSL says, as `CERT_HAS_EXPIRED`. Undefined: an authority that this machine knows vouches for it. */
  readonly refused?: string;
  /** Whether it is for the name of the address. */
  readonly fits: boolean;
  /** Names it is for; from the other side, so they are cut and cleaned. */
  readonly names: readonly string[];
  readonly from: Instant;
  readonly until: Instant;
}

export interface SeenAnswer {
  readonly status: number;
  /** 101 alone: the subprotocol that was chosen, and whether the answer belongs to our question. */
  readonly subprotocol?: string;
  readonly isOurs?: boolean;
}

export interface Address {
  readonly url: string;
  /** `http.devices.phone.wss` or the default of it. */
  readonly from: string;
}

/** Who renews by itself has done so by then; of a certificate that lives for days alone a quarter is left. */
const ENDS_SOON = 14 * DAY;
const PROXY = 'docs/browser-phone.md shows what a reverse proxy needs';

/** OpenSSL's words, by what a person can do about them. */
const REFUSED: Readonly<Record<string, readonly [found: string, remedy: string]>> = {
  CERT_HAS_EXPIRED: ['has ended', 'renew it'],
  CERT_NOT_YET_VALID: ['begins later than now', 'is the clock of this machine right?'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['is self-signed', 'take one of an authority that browsers know'],
  SELF_SIGNED_CERT_IN_CHAIN: [
    'is of an authority that this machine does not know',
    'take one of an authority that browsers know, or put that authority on every machine with a browser and on this one',
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'comes without its chain, or is of an authority that this machine does not know',
    'serve the certificate with its intermediate ones, the leaf first (fullchain.pem)',
  ],
};
const UNABLE = REFUSED.UNABLE_TO_VERIFY_LEAF_SIGNATURE as readonly [string, string];

export function certificateFinding({ url }: Address, seen: SeenCertificate, now: Instant): Finding {
  const what = 'certificate for browsers';
  const fail = (found: string, remedy: string): Finding => ({
    level: 'fail',
    what,
    found: `of ${url} ${found}: a browser refuses it`,
    remedy,
  });
  const { hostname } = new URL(url);
  if (!seen.fits) {
    const names = seen.names.length > 0 ? `it is for ${seen.names.join(', ')}` : 'it names no host';
    return fail(`is not for ${hostname} (${names})`, `take one for ${hostname}, or write the address as it names it`);
  }
  if (seen.refused !== undefined) {
    const [found, remedy] =
      REFUSED[seen.refused] ??
      (/ISSUER/.test(seen.refused)
        ? UNABLE
        : [`is refused (${seen.refused})`, 'take one of an authority that browsers know']);
    return fail(found, remedy);
  }
  const left = between(now, seen.until);
  const days = Math.floor(left / DAY);
  const found = `of ${url} is good, and ends in ${days} ${days === 1 ? 'day' : 'days'}`;
  const isSoon = left < Math.min(ENDS_SOON, between(seen.from, seen.until) / 4);
  const remedy =
    'renew it, and let what serves it read the new one (Asterisk: `module reload http`); does its renewal run?';
  return isSoon ? { level: 'warn', what, found, remedy } : { level: 'ok', what, found };
}

/** `what`: of the WebSocket or the page. */
function unreachableFinding(what: string, { url, from }: Address, code: string): Finding {
  const { hostname, host } = new URL(url);
  const fail = (found: string, remedy: string): Finding => ({ level: 'fail', what, found, remedy });
  if (code === 'ENOTFOUND') return fail(`${url}: no name server knows ${hostname}`, `is the name in ${from} right?`);
  if (code === 'ECONNREFUSED')
    return fail(
      `nothing listens at ${url}`,
      `is the host and port in ${from} that of the reverse proxy or of the PBX’s own web server, and does it run?`,
    );
  if (/SSL|EPROTO|TLS/.test(code))
    return fail(`${url} speaks no TLS (${code})`, `${host} must have a certificate: ${PROXY}`);
  if (/^HPE_/.test(code)) return fail(`${url} speaks no HTTP`, `is the port in ${from} right?`);
  // A router that does not lead its own address back inside looks the same from here.
  return {
    level: 'warn',
    what,
    found: `${url} cannot be reached from this machine (${code})`,
    remedy:
      'open it with a browser outside: a router that does not lead its outer address back inside looks like this from here; else firewall, port forwarding',
  };
}

/** What a browser would make of the WebSocket of the PBX. */
export function* webSocketFindings(address: Address, seen: Seen, now: Instant): Iterable<Finding> {
  const what = 'WebSocket for browsers';
  if (seen.certificate) yield certificateFinding(address, seen.certificate, now);
  if (seen.unreachable !== undefined) yield unreachableFinding(what, address, seen.unreachable);
  if (!seen.answer) return;
  const { url } = address;
  const [found, remedy] = whatIsWrong(seen.answer) ?? [];
  yield found === undefined
    ? { level: 'ok', what, found: `${url} takes SIP` }
    : { level: 'fail', what, found: `${url} ${found}`, remedy: remedy as string };
}

const NO_SIP =
  'Asterisk needs res_pjsip_transport_websocket.so and a transport with protocol = ws (`pushwake init --webrtc`); is the path right, /ws?';

/** Undefined: nothing. */
function whatIsWrong({
  status,
  subprotocol,
  isOurs,
}: SeenAnswer): readonly [found: string, remedy: string] | undefined {
  if (status === 101) {
    if (isOurs === false)
      return ['answers, but not to what was asked', 'what stands between is no proxy of WebSockets'];
    return subprotocol === 'sip' ? undefined : ['takes WebSockets, and no SIP over them', NO_SIP];
  }
  if (status === 404)
    return [
      'answers, and has no WebSocket there (404)',
      'Asterisk’s path is /ws, behind the `prefix` of http.conf: write it at the end of the address; is res_http_websocket.so running?',
    ];
  if (status === 400) return ['refuses SIP over WebSocket (400)', NO_SIP];
  if (status === 426)
    return [
      'heard no wish for a WebSocket (426)',
      `the proxy before it does not hand on Upgrade and Connection; ${PROXY}`,
    ];
  if (status === 401 || status === 403)
    return [
      `lets nobody in (${status})`,
      'the proxy before it asks for a login or keeps addresses out; a browser sends neither here',
    ];
  if (status >= 502 && status <= 504)
    return [
      `is a proxy that does not reach the PBX (${status})`,
      'is the PBX’s web server on (http.conf of Asterisk, ws-binding of FreeSWITCH), at the address that the proxy has?',
    ];
  if (status >= 300 && status < 400)
    return [`sends elsewhere (${status}), and a browser follows no WebSocket`, 'write the address that it sends to'];
  return [`answers ${status} in place of a WebSocket`, `is it the PBX, or a proxy that leads to it? ${PROXY}`];
}

/** What a browser would make of the page. `running`: our pushwake runs, so that somebody serves it. */
export function* pageFindings(address: Address, seen: Seen, running: boolean, now: Instant): Iterable<Finding> {
  const what = 'page for browsers';
  const { url, from } = address;
  if (seen.certificate) yield certificateFinding(address, seen.certificate, now);
  const status = seen.answer?.status;
  const isAway = seen.unreachable === 'ECONNREFUSED' || (status !== undefined && status >= 502 && status <= 504);
  if (!running && isAway) {
    yield { level: 'ok', what, found: `${url} has nobody to serve it, as pushwake is stopped` };
    return;
  }
  if (seen.unreachable !== undefined) yield unreachableFinding(what, address, seen.unreachable);
  if (status === undefined) return;
  if (status === 200) yield { level: 'ok', what, found: `${url} is there` };
  else if (status >= 502 && status <= 504)
    yield {
      level: 'fail',
      what,
      found: `${url} is a proxy that does not reach http.devices (${status})`,
      remedy: PROXY,
    };
  else
    yield {
      level: 'fail',
      what,
      found: `${url} answers ${status}`,
      remedy: `the proxy must lead /phone/ and /v1/ of ${from} to http.devices.listen; ${PROXY}`,
    };
}
