/**
 * The floor: the shortest ARI script that wakes one phone. One number, one token, one PBX; no store, no second phone, no
 * retry, no closing word, no way back when anything fails. What pushwake takes longer than this is what it costs.
 */
import { type BareApp, type BareEndpoint, barePush } from './bare-push.ts';

interface Job {
  readonly ari: { readonly url: string; readonly user: string; readonly password: string };
  readonly app: BareApp;
  readonly endpoint: BareEndpoint;
  readonly aor: string;
  readonly token: string;
}

const job = JSON.parse(process.argv[2] ?? '') as Job;
const apns = barePush(job.app, job.endpoint);

const { host } = new URL(job.ari.url);
const ws = new WebSocket(`ws://${host}/ari/events?app=floor&api_key=${job.ari.user}:${job.ari.password}`);
const rest = (method: string, uri: string) =>
  ws.send(JSON.stringify({ type: 'RESTRequest', transaction_id: '1', request_id: '1', method, uri }));
const waiting: string[] = [];

ws.onopen = () => {
  rest('POST', 'applications/floor/subscription?eventSource=endpoint:PJSIP');
  void apns.ready.then(() => process.stdout.write('ready\n'));
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
    apns.push(job.token, { call: event.channel.id });
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
