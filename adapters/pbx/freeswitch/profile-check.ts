/** What `pushwake check` says of the SIP profiles: whether they run, and which of their settings cost phones. Reads FreeSWITCH's answers only. */
import type { Finding } from '../../../plugin/ports/finding.ts';
import type { EslConnection } from './connection.ts';
import type { FreeswitchOptions } from './options.ts';
import { ownName } from './profile-names.ts';

const REMEDY = 'config/freeswitch/pushwake-profile.xml says it line by line; then `sofia profile <name> restart`';
/** A PBX has a handful of profiles; an answer that names more is not believed. */
const PROFILES_MAX = 50;

export async function* profileFindings(esl: EslConnection, options: FreeswitchOptions): AsyncIterable<Finding> {
  const configured = await esl.api('xml_locate configuration configuration name sofia.conf');
  for (const profile of options.profiles) {
    const name = ownName(await esl.api(`sofia xmlstatus profile ${profile}`));
    if (name === undefined) {
      const remedy = 'name the profiles phones register with under `profiles`; `sofia status` lists them';
      yield { level: 'fail', what: 'SIP profile', found: `${profile} is not running`, remedy };
      continue;
    }
    const found = name === profile ? `${profile} is running` : `${name}, alias ${profile}, is running`;
    yield { level: 'ok', what: 'SIP profile', found };
    const settings = settingsOf(configured, name);
    // Settings that come from elsewhere cannot be seen: nothing is known of them, which is not a fault.
    if (settings) yield* settingFindings(profile, settings, options.expiresLateMargin);
  }
}

/** The profiles that run, as FreeSWITCH calls them. */
export function runningProfiles(xmlstatus: string): readonly string[] {
  const named = [...xmlstatus.matchAll(/<profile>\s*<name>([0-9A-Za-z_.-]{1,64})<\/name>/g)];
  return [...new Set(named.map(([, name]) => name as string))].slice(0, PROFILES_MAX);
}

/** The `<param>` lines of a profile in sofia.conf. Undefined: it is not in there. */
export function settingsOf(sofiaConf: string, profile: string): ReadonlyMap<string, string> | undefined {
  const text = sofiaConf.replace(/<!--[\s\S]*?-->/g, '');
  const body = text.split(/<profile\s/).find((part) => /^[^>]*\bname="([^"]*)"/.exec(part)?.[1] === profile);
  if (body === undefined) return undefined;
  const lines = body.split('</profile>')[0] ?? '';
  const settings = new Map<string, string>();
  for (const [tag] of lines.matchAll(/<param\s[^>]*>/g)) {
    const [name, value] = [/\bname="([^"]*)"/, /\bvalue="([^"]*)"/].map((of) => of.exec(tag)?.[1]);
    if (name !== undefined && value !== undefined) settings.set(name, value.trim());
  }
  return settings;
}

const isTrue = (value: string | undefined) => /^(?:true|yes|on|enabled|active|1)$/i.test(value ?? '');

export function* settingFindings(
  profile: string,
  settings: ReadonlyMap<string, string>,
  lateMargin: number,
): Iterable<Finding> {
  const warn = (found: string, remedy: string): Finding => ({
    level: 'warn',
    what: 'SIP profile',
    found: `${profile}: ${found}`,
    remedy: `${remedy}; ${REMEDY}`,
  });
  const several = settings.get('multiple-registrations');
  if (!isTrue(several) && several !== 'contact' && several !== 'call-id')
    yield warn(
      'multiple-registrations is off: a user’s second phone throws the first one out',
      'write `<param name="multiple-registrations" value="contact"/>`',
    );
  for (const name of ['unregister-on-options-fail', 'all-reg-options-ping']) {
    if (isTrue(settings.get(name)))
      yield warn(
        `${name} is on: a sleeping phone does not answer OPTIONS, and counts as gone`,
        `write \`<param name="${name}" value="false"/>\``,
      );
  }
  const margin = Number(settings.get('sip-expires-late-margin') ?? 60);
  if (Number.isInteger(margin) && margin !== lateMargin)
    yield warn(
      `sip-expires-late-margin is ${margin}, and expiresLateMargin in pushwake.yaml is ${lateMargin}: what a contact proves is dated wrongly`,
      `write \`expiresLateMargin: ${margin}\` beside \`profiles\``,
    );
}
