/**
 * Whether FreeSWITCH has each command and application that pushwake and its dialplan use, asked of it rather than taken from its version: from 1.11.2 on an
 * `<interface-allowlist>` in switch.conf.xml may hold single ones back while their module is loaded.
 */
import type { Finding } from '../../../plugin/ports/finding.ts';
import type { EslConnection } from './connection.ts';

/** Commands of this adapter and of the shipped dialplan. */
const COMMANDS =
  'version strepoch hash sofia sofia_contact user_data cond expand show originate uuid_setvar uuid_getvar uuid_break uuid_kill uuid_dump global_getvar global_setvar xml_locate';
/** Applications of the shipped dialplan and of the legs that are dialled. */
const APPLICATIONS = 'set multiset set_profile_var event execute_extension sleep bridge intercept park';

export async function interfaceFinding(esl: EslConnection): Promise<Finding | undefined> {
  const [commands, applications] = await Promise.all(
    ['api', 'application'].map(async (kind) => namesIn(await esl.api(`show ${kind} as json`))),
  );
  return findingOf(commands, applications);
}

/** Undefined: FreeSWITCH does not tell. */
export function namesIn(json: string): ReadonlySet<string> | undefined {
  try {
    const { rows } = JSON.parse(json) as { readonly rows?: readonly { readonly name?: unknown }[] };
    const names = (rows ?? []).flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
    return names.length > 0 ? new Set(names) : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined: nothing is missing that could be seen. */
export function findingOf(
  commands: ReadonlySet<string> | undefined,
  applications: ReadonlySet<string> | undefined,
): Finding | undefined {
  const missing = [
    ...(commands ? COMMANDS.split(' ').filter((name) => !commands.has(name)) : []),
    ...(applications ? APPLICATIONS.split(' ').filter((name) => !applications.has(name)) : []),
  ];
  if (missing.length === 0) return undefined;
  return {
    level: 'fail',
    what: 'modules',
    found: `FreeSWITCH has no ${missing.join(', ')}, which pushwake or its dialplan uses`,
    remedy:
      'load the module it belongs to; with an `<interface-allowlist>` in switch.conf.xml (FreeSWITCH 1.11.2), allow it there and restart FreeSWITCH: mod_commands, mod_dptools, mod_sofia, mod_hash',
  };
}
