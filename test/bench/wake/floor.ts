/**
 * The floor: the shortest ARI script that wakes one phone. One number, one token, one PBX; no store, no second phone, no
 * retry, no closing word, no way back when anything fails. What pushwake takes longer than this is what it costs.
 */
import { createPrivateKey, sign } from 'node:crypto';
import { connect } from 'node:http2';

interface Job {
  readonly ari: { readonly url: string; readonly user: string; readonly password: string };
  readonly app: { readonly teamId: string; readonly bundleId: string; readonly keyId: string; readonly key: string };
  readonly endpoint: { readonly address: string; readonly port: number; readonly ca: string };
  readonly aor: string;
  readonly token: string;
}

const job = JSON.parse(process.argv[2] ?? '') as Job;
const part = (o: object) => Buffer.from(JSON.stringify(o)).toString('base64url');
const unsigned = `${part({ alg: 'ES256', kid: job.app.keyId })}.${part({ iss: job.app.teamId, iat: Math.floor(Date.now() / 1_000) })}`;
const key = { key: createPrivateKey(job.app.key), dsaEncoding: 'ieee-p1363' as const };
const jwt = `${unsigned}.${sign('sha256', Buffer.from(unsigned), key).toString('base64url')}`;
const apns = connect(`https://${job.endpoint.address}:${job.endpoint.port}`, { ca: job.endpoint.ca });

const { host } = new URL(job.ari.url);
const ws = new WebSocket(`ws://${host}/ari/events?app=floor&api_key=${job.ari.user}:${job.ari.password}`);
const rest = (method: string, uri: string) =>
  ws.send(JSON.stringify({ type: 'RESTRequest', transaction_id: '1', request_id: '1', method, uri }));
const waiting: string[] = [];

ws.onopen = () => {
  rest('POST', 'applications/floor/subscription?eventSource=endpoint:PJSIP');
  const ready = () => process.stdout.write('ready\n');
  if (apns.connecting) apns.once('connect', ready);
  else ready();
};
ws.onmessage = ({ data }) => {
  const event = JSON.parse(String(data)) as {
    type: string;
    channel?: { id: string };
    contact_info?: { aor: string; uri: string; contact_status: string };
  };
  if (event.type === 'StasisStart' && event.channel) {
    waiting.push(event.channel.id);
    rest('POST', `channels/${event.channel.id}/ring`);
    push(event.channel.id);
  }
  const contact = event.contact_info;
  if (event.type === 'ContactStatusChange' && contact?.aor === job.aor && contact.contact_status === 'NonQualified') {
    const dial = encodeURIComponent(`PJSIP/${job.aor}/${contact.uri}`);
    for (const id of waiting.splice(0)) {
      rest('POST', `channels/${id}/variable?variable=FLOOR_DIAL&value=${dial}`);
      rest('POST', `channels/${id}/continue`);
    }
  }
};

function push(id: string): void {
  const stream = apns.request({
    ':method': 'POST',
    ':path': `/3/device/${job.token}`,
    authorization: `bearer ${jwt}`,
    'apns-topic': `${job.app.bundleId}.voip`,
    'apns-push-type': 'voip',
    'apns-priority': '10',
    'apns-expiration': String(Math.floor(Date.now() / 1_000) + 30),
  });
  stream.on('error', () => undefined);
  stream.resume();
  stream.end(JSON.stringify({ call: id }));
}
