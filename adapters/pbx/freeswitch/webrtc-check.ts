/** What a phone in the browser needs of FreeSWITCH: a profile that takes WebSockets, and a codec that browsers have. Reads FreeSWITCH's answers only. */
import type { BrowsersRegister, Finding } from '../../../plugin/ports/finding.ts';
import type { EslConnection } from './connection.ts';

/** Of FreeSWITCH itself; OPUS comes with a module. */
const CODECS = ['PCMU', 'PCMA'];
const GUIDE = 'docs/browser-phone.md';

export async function* webrtcOf(
  esl: EslConnection,
  profiles: readonly string[],
  where: BrowsersRegister,
): AsyncIterable<Finding> {
  const seen = new Map<string, string>();
  for (const profile of profiles) seen.set(profile, await esl.api(`sofia xmlstatus profile ${profile}`));
  const hasOpus = (await esl.api('module_exists mod_opus')).trim() === 'true';
  yield* webrtcFindings(seen, hasOpus, where);
}

/** `xmlstatus`: what `sofia xmlstatus profile` says, by profile. */
export function* webrtcFindings(
  xmlstatus: ReadonlyMap<string, string>,
  hasOpus: boolean,
  where: BrowsersRegister,
): Iterable<Finding> {
  const what = 'WebRTC';
  let taking = 0;
  for (const [profile, xml] of xmlstatus) {
    const textOf = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.trim() ?? '';
    const at = ['wss', 'ws'].filter((kind) => portOf(textOf(`${kind}-bind-url`)) !== undefined);
    if (at.length === 0) continue;
    taking++;
    const ports = at.map((kind) => `${kind} ${portOf(textOf(`${kind}-bind-url`))}`);
    yield { level: 'ok', what, found: `${profile} takes browsers (${ports.join(', ')})` };
    const codecs = textOf('inbound-codecs')
      .toUpperCase()
      .match(/[A-Z0-9]+/g);
    if (!codecs || codecs.some((codec) => CODECS.includes(codec) || (codec === 'OPUS' && hasOpus))) continue;
    yield {
      level: 'fail',
      what,
      found: `${profile} has no codec that a browser has: its calls end with 488`,
      remedy:
        'put PCMU and PCMA, or OPUS with mod_opus loaded, into inbound-codec-prefs and outbound-codec-prefs of the profile, then `sofia profile <name> restart`',
    };
  }
  if (taking > 0) return;
  const elsewhere = where === 'here' ? '' : '; nothing, where browsers register with another PBX alone';
  yield {
    level: where === 'here' ? 'fail' : 'warn',
    what,
    found: `no profile takes WebSockets (${[...xmlstatus.keys()].join(', ')}): a browser cannot register`,
    remedy: `write \`<param name="wss-binding" value=":7443"/>\`, or ws-binding behind a reverse proxy, as ${GUIDE} says, then \`sofia profile <name> restart\`${elsewhere}`,
  };
}

/** Of `sip:mod_sofia@192.0.2.1:7443;transport=wss`. */
const portOf = (url: string): string | undefined => /:(\d{1,5})(?:;|$)/.exec(url)?.[1];
