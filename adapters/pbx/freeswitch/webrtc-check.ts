/** What a phone in the browser needs of FreeSWITCH: a profile that takes WebSockets, and a codec that browsers have. Reads FreeSWITCH's answers only. */
import type { BrowsersRegister, Finding } from '../../../plugin/ports/finding.ts';
import type { EslConnection } from './connection.ts';
import { settingsOf } from './profile-check.ts';
import { ownName } from './profile-names.ts';

/** Of FreeSWITCH itself; OPUS comes with a module. */
const CODECS = ['PCMU', 'PCMA'];
const GUIDE = 'docs/browser-phone.md';

export async function* webrtcOf(
  esl: EslConnection,
  profiles: readonly string[],
  where: BrowsersRegister,
): AsyncIterable<Finding> {
  const configured = await esl.api('xml_locate configuration configuration name sofia.conf');
  const seen = new Map<string, SeenProfile>();
  for (const profile of profiles) {
    const xmlstatus = await esl.api(`sofia xmlstatus profile ${profile}`);
    const settings = settingsOf(configured, ownName(xmlstatus) ?? profile);
    seen.set(profile, { xmlstatus, ...(settings ? { settings } : {}) });
  }
  const hasOpus = (await esl.api('module_exists mod_opus')).trim() === 'true';
  yield* webrtcFindings(seen, hasOpus, where);
}

export interface SeenProfile {
  /** What `sofia xmlstatus profile` says. */
  readonly xmlstatus: string;
  /** Its lines in sofia.conf. Undefined: they cannot be seen. */
  readonly settings?: ReadonlyMap<string, string>;
}

/** `profiles`: those that pushwake.yaml names. */
export function* webrtcFindings(
  profiles: ReadonlyMap<string, SeenProfile>,
  hasOpus: boolean,
  where: BrowsersRegister,
): Iterable<Finding> {
  const what = 'WebRTC';
  let taking = 0;
  for (const [profile, { xmlstatus: xml, settings }] of profiles) {
    const textOf = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.trim() ?? '';
    const at = ['wss', 'ws'].filter((kind) => portOf(textOf(`${kind}-bind-url`)) !== undefined);
    if (at.length === 0) continue;
    taking++;
    const ports = at.map((kind) => `${kind} ${portOf(textOf(`${kind}-bind-url`))}`);
    yield { level: 'ok', what, found: `${profile} takes browsers (${ports.join(', ')})` };
    if (settings && !settings.has('apply-candidate-acl')) {
      yield {
        level: 'fail',
        what,
        found: `${profile} takes sound from public addresses alone: it refuses a browser in a private network with 488`,
        remedy:
          'write `<param name="apply-candidate-acl" value="any_v4.auto"/>` into it, then `sofia profile <name> restart`',
      };
    }
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
    found: `no profile takes WebSockets (${[...profiles.keys()].join(', ')}): a browser cannot register`,
    remedy: `write \`<param name="wss-binding" value=":7443"/>\`, or ws-binding behind a reverse proxy, as ${GUIDE} says, then \`sofia profile <name> restart\`${elsewhere}`,
  };
}

/** Of `sip:mod_sofia@192.0.2.1:7443;transport=wss`. */
const portOf = (url: string): string | undefined => /:(\d{1,5})(?:;|$)/.exec(url)?.[1];
