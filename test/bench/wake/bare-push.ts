/** A push to Apple by the fewest lines: one connection, a token made once, no retry. What the scripts beside pushwake use. */
import { createPrivateKey, sign } from 'node:crypto';
import { connect } from 'node:http2';

export interface BareApp {
  readonly teamId: string;
  readonly bundleId: string;
  readonly keyId: string;
  readonly key: string;
}

export interface BareEndpoint {
  readonly address: string;
  readonly port: number;
  readonly ca: string;
}

export interface BarePush {
  /** The connection is there. */
  readonly ready: Promise<void>;
  push(token: string, body: object): void;
}

/** Apple's provider token, as a script would keep it: made once an hour. */
export function jwtOf(app: BareApp): string {
  const part = (o: object) => Buffer.from(JSON.stringify(o)).toString('base64url');
  const unsigned = `${part({ alg: 'ES256', kid: app.keyId })}.${part({ iss: app.teamId, iat: Math.floor(Date.now() / 1_000) })}`;
  const key = { key: createPrivateKey(app.key), dsaEncoding: 'ieee-p1363' as const };
  return `${unsigned}.${sign('sha256', Buffer.from(unsigned), key).toString('base64url')}`;
}

export function barePush(app: BareApp, endpoint: BareEndpoint): BarePush {
  const jwt = jwtOf(app);
  const apns = connect(`https://${endpoint.address}:${endpoint.port}`, { ca: endpoint.ca });
  return {
    ready: new Promise((resolve) => apns.once('connect', () => resolve())),
    push(token, body) {
      const stream = apns.request({
        ':method': 'POST',
        ':path': `/3/device/${token}`,
        authorization: `bearer ${jwt}`,
        'apns-topic': `${app.bundleId}.voip`,
        'apns-push-type': 'voip',
        'apns-priority': '10',
        'apns-expiration': String(Math.floor(Date.now() / 1_000) + 30),
      });
      stream.on('error', () => undefined);
      stream.resume();
      stream.end(JSON.stringify(body));
    },
  };
}
