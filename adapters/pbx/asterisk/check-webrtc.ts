/** What a phone in the browser needs of Asterisk: modules, a transport, endpoints that speak WebRTC, and a codec that browsers have. */
import type { BrowsersRegister, Finding } from '../../../plugin/ports/finding.ts';
import { type Account, speaksWebrtc } from './check-accounts.ts';
import type { AriProbe } from './probe.ts';

const MODULES: readonly (readonly [name: string, why: string])[] = [
  ['res_http_websocket', 'WebSockets'],
  ['res_pjsip_transport_websocket', 'SIP over them'],
  ['res_srtp', 'the encrypted sound of a browser'],
];
/** ARI lists no transports: these are asked for by name, beside those that endpoints name. */
const USUAL_TRANSPORTS = [
  'transport-pushwake-ws',
  'transport-wss',
  'transport-ws',
  '0.0.0.0-wss',
  '0.0.0.0-ws',
  'wss',
  'ws',
];
const TRANSPORTS_ASKED = 20;
const NAMED = 5;
const CODECS = ['opus', 'ulaw', 'alaw'];
const SNIPPET = '`pushwake init --webrtc`';

/** What was seen; undefined: it could not be. */
export interface SeenOfWebrtc {
  /** Names of modules that run, with `.so`. */
  readonly modules: ReadonlySet<string> | undefined;
  /** Protocols of the transports that were found. */
  readonly transports: readonly string[];
  readonly endpoints: readonly { readonly id: string; readonly endpoint: ReadonlyMap<string, string> }[];
}

export async function* checkWebrtc(
  ari: AriProbe,
  accounts: readonly Account[],
  where: BrowsersRegister,
): AsyncIterable<Finding> {
  const { status, body } = await ari.ask('GET', 'asterisk/modules');
  const modules =
    status === 200 && Array.isArray(body)
      ? new Set((body as { name: string; status: string }[]).flatMap((m) => (m.status === 'Running' ? [m.name] : [])))
      : undefined;
  const named = accounts.flatMap(({ endpoint }) => endpoint.get('transport') || []);
  const transports: string[] = [];
  for (const name of [...new Set([...USUAL_TRANSPORTS, ...named])].slice(0, TRANSPORTS_ASKED)) {
    const protocol = (await ari.pjsip('transport', name))?.get('protocol');
    if (protocol !== undefined) transports.push(protocol);
  }
  yield* webrtcFindings({ modules, transports, endpoints: accounts }, where);
}

export function* webrtcFindings(
  { modules, transports, endpoints }: SeenOfWebrtc,
  where: BrowsersRegister,
): Iterable<Finding> {
  const what = 'WebRTC';
  const speaking = endpoints.filter(({ endpoint }) => speaksWebrtc(endpoint));
  if (speaking.length === 0) {
    const elsewhere = where === 'here or elsewhere' ? '; nothing, where browsers register with another PBX alone' : '';
    yield {
      level: where === 'here' ? 'fail' : 'warn',
      what,
      found: 'no endpoint has webrtc = yes: a browser cannot register',
      remedy: `${SNIPPET}, then [1001](pushwake-webrtc), or webrtc = yes and allow = !all,opus,ulaw,alaw at the endpoint (FreePBX: its Advanced page)${elsewhere}`,
    };
    return;
  }
  yield { level: 'ok', what, found: `${speaking.length} of ${endpoints.length} endpoints speak it` };
  for (const [name, why] of modules === undefined ? [] : MODULES) {
    if (modules?.has(`${name}.so`)) continue;
    const remedy = `\`module load ${name}.so\`; see modules.conf, where a noload may keep it away`;
    yield { level: 'fail', what, found: `${name}.so is not running; it is needed for ${why}`, remedy };
  }
  if (!transports.some((protocol) => protocol === 'ws' || protocol === 'wss')) {
    yield {
      level: 'warn',
      what,
      found: 'a transport with protocol = ws or wss cannot be seen from here',
      remedy: `run \`asterisk -rx "pjsip show transports"\`; where there is none, ${SNIPPET}, and \`core restart now\`: transports are read at the start alone`,
    };
  } else yield { level: 'ok', what, found: 'there is a transport for WebSockets' };
  const deaf = speaking.filter(
    ({ endpoint }) => !wordsOf(endpoint.get('allow')).some((codec) => CODECS.includes(codec)),
  );
  if (deaf.length === 0) return;
  const more = deaf.length > NAMED ? ` and ${deaf.length - NAMED} more` : '';
  yield {
    level: 'fail',
    what,
    found: `no codec that a browser has: its calls end with 488 (${deaf
      .slice(0, NAMED)
      .map(({ id }) => id)
      .join(', ')}${more})`,
    remedy: 'set allow = !all,opus,ulaw,alaw at the endpoint, then `module reload res_pjsip.so`',
  };
}

/** ARI writes `(opus|ulaw)`. */
const wordsOf = (text = ''): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
