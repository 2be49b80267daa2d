/**
 * A stand-in for Acrobits' push service (PNM2): strict HTTPS on 127.0.0.1, scriptable, for our tests and for yours. Refuses
 * what the documentation does not allow, and what a phone would not bear: anything but a call on the token for calls.
 */
import { type Answered, type Asked, type HttpStandIn, startHttpStandIn } from '../http-stand-in.ts';

/** A push that was taken. */
export interface ReceivedPush {
  readonly verb: string;
  readonly appId: string;
  readonly token: string;
  readonly selector: string | undefined;
  readonly id: string | undefined;
  readonly message: string | undefined;
  /** The body as it came. */
  readonly json: string;
  readonly atMs: number;
}

export interface PnmStandIn extends HttpStandIn {
  /** For the option `url`; `endpoint` leads there. */
  readonly url: string;
  /** All pushes taken, oldest first. */
  readonly pushes: readonly ReceivedPush[];
  /** What was wrong with each request that was refused, for people. */
  readonly complaints: readonly string[];
  /** Makes a token known. `calls`: the one of PushKit, for calls alone. */
  register(appId: string, token: string, of?: { calls?: boolean }): void;
  /** The app is gone: code 404 from now on. */
  unregister(appId: string, token: string): void;
  /** Calls back for each push taken for this token. Returns a function that ends it. */
  onPush(token: string, heard: (push: ReceivedPush) => void): () => void;
}

const VERBS = [
  'NotifyIncomingCall',
  'NotifyIncomingCallMissed',
  'NotifyIncomingCallAnsweredElsewhere',
  'NotifyTextMessage',
  'NotifyGenericTextMessage',
  'NotifyReprovision',
];
const FIELDS = [
  ...['verb', 'AppId', 'DeviceToken', 'Selector', 'Id', 'UserName', 'UserDisplayName', 'Message'],
  ...['Badge', 'Sound', 'ContentType', 'ThreadId'],
];
const PATH = '/pnm2/send';

export async function startPnmStandIn(options: { http1?: boolean } = {}): Promise<PnmStandIn> {
  const tokens = new Map<string, { calls: boolean; dead?: true }>();
  const listeners = new Map<string, Set<(push: ReceivedPush) => void>>();
  const pushes: ReceivedPush[] = [];
  const complaints: string[] = [];
  const key = (appId: string, token: string) => `${appId} ${token}`;

  function take(request: Asked): Answered {
    const json = request.body.toString('utf8');
    const refuse = (status: number, code: number, complaint: string): Answered => {
      complaints.push(`${status}/${code}: ${complaint}`);
      return answer(status, code, complaint);
    };
    if (request.method !== 'POST' || request.url !== PATH) return refuse(404, 404, `not POST ${PATH}`);
    if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) return refuse(400, 400, 'not JSON');
    const fields = readFields(json);
    if (!fields) return refuse(400, 400, 'not an object of texts');
    const { verb = '', AppId = '', DeviceToken = '', Selector, Id, Message } = fields;
    const unknown = Object.keys(fields).find((name) => !FIELDS.includes(name));
    if (unknown !== undefined) return refuse(200, 400, `unknown field ${unknown}`);
    if (!VERBS.includes(verb)) return refuse(200, 400, 'unknown verb');
    if (AppId === '' || DeviceToken === '') return refuse(400, 400, 'AppId or DeviceToken is missing');
    const isText = verb === 'NotifyGenericTextMessage';
    if (!isText && !Selector) return refuse(400, 400, 'Selector is missing');
    if (isText && !Message) return refuse(400, 400, 'Message is missing');
    const known = tokens.get(key(AppId, DeviceToken));
    if (!known) return refuse(200, 400, 'unknown AppId');
    if (known.dead) return answer(200, 404, 'Device token is no longer valid');
    if (known.calls && verb !== 'NotifyIncomingCall') return refuse(200, 400, `${verb} on the token for calls`);
    const push = {
      verb,
      appId: AppId,
      token: DeviceToken,
      selector: Selector,
      id: Id,
      message: Message,
      json,
      atMs: request.atMs,
    };
    pushes.push(push);
    for (const heard of listeners.get(DeviceToken) ?? []) heard(push);
    return answer(200, 200, 'OK');
  }

  const http = await startHttpStandIn(take, options);
  return {
    ...http,
    get requests() {
      return http.requests;
    },
    get connections() {
      return http.connections;
    },
    get connectionsEver() {
      return http.connectionsEver;
    },
    url: `https://pnm.example.org${PATH}`,
    pushes,
    complaints,
    register: (appId, token, of = {}) => void tokens.set(key(appId, token), { calls: of.calls ?? false }),
    unregister: (appId, token) => void tokens.set(key(appId, token), { calls: false, dead: true }),
    onPush(token, heard) {
      const all = listeners.get(token) ?? new Set();
      listeners.set(token, all.add(heard));
      return () => void all.delete(heard);
    },
  };
}

function answer(status: number, code: number, response: string): Answered {
  return { status, body: JSON.stringify({ code, response }), headers: { 'content-type': 'application/json' } };
}

function readFields(json: string): Record<string, string> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return Object.values(value).every((v) => typeof v === 'string') ? (value as Record<string, string>) : undefined;
  } catch {
    return undefined;
  }
}
