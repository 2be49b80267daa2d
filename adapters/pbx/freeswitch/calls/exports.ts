/**
 * What the administrator's dialplan exported to the legs of this call: SRTP, headers, recording at the answer. FreeSWITCH gives
 * it to the legs of a bridge by itself; the leg of a woken phone is made outside the caller's bridge, so it is given here. Pure.
 */

/** Event headers, or those of `uuid_dump`. */
type Headers = Readonly<Record<string, string | undefined>>;

const NAME = /^[0-9A-Za-z_.-]{1,64}$/;
/** In a quoted value nothing ends the value, the list or the command. A value may hold what a caller wrote. */
const VALUE = /^[^'"\\{}[\]^|\p{Cc}]{1,512}$/u;
const MOST = 50;
/** Set by pushwake for each leg. */
const OURS =
  /^(?:pushwake_|origination_(?!caller_id_|privacy$)|intercept_|sip_invite_call_id$|sip_h_X-Push-ID$|export_vars$)/i;
/** Variables of the caller's channel that FreeSWITCH takes for those of its legs, without their being exported. */
const INHERITED = [
  'group_confirm_key',
  'group_confirm_file',
  'group_confirm_error_file',
  'group_confirm_read_timeout',
  'group_confirm_timeout',
  'group_confirm_cancel_timeout',
  'language',
  'sip_cid_type',
];
/** Headers of the caller's own INVITE, which mod_sofia copies to the legs. */
const COPIED = /^variable_(sip_h_.+)$/;

export interface Exports {
  /** Their names as the dialplan lists them: what the leg exports in turn, when it is transferred. */
  readonly listed: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  /** Names whose values cannot be handed on. */
  readonly refused: readonly string[];
}

export const NO_EXPORTS: Exports = { listed: [], variables: {}, refused: [] };

/** The headers that must leave the worker for `exportsOf`. */
export function exportHeadersOf(headers: Headers): readonly string[] {
  const inherited = [
    ...INHERITED.map((name) => `variable_${name}`),
    'variable_sip_copy_custom_headers',
    ...Object.keys(headers)
      .filter((name) => COPIED.test(name))
      .slice(0, MOST),
  ];
  const listed = headers.variable_export_vars;
  if (listed === undefined) return inherited;
  const exported = listed
    .split(',')
    .slice(0, MOST)
    .map((name) => `variable_${name.trim()}`);
  return ['variable_export_vars', ...inherited, ...exported];
}

/** `export_vars` names them; one that is exported `nolocal` is kept under that name, without being set for the caller. */
export function exportsOf(headers: Headers): Exports {
  const variables: Record<string, string> = {};
  const listed: string[] = [];
  const refused: string[] = [];
  const exported = (headers.variable_export_vars ?? '').split(',').slice(0, MOST);
  for (const written of [...INHERITED, ...copied(headers), ...exported]) {
    const name = written.trim().replace(/^(?:nolocal|_nolocal_):?/, '');
    if (!NAME.test(name) || OURS.test(name)) continue;
    const value = headers[`variable_${written.trim()}`] ?? headers[`variable_${name}`];
    if (value === undefined || value === '') continue;
    if (!VALUE.test(value)) refused.push(name);
    else {
      variables[name] = value;
      if (exported.includes(written) && !listed.includes(written.trim())) listed.push(written.trim());
    }
  }
  return { listed, variables, refused };
}

function copied(headers: Headers): readonly string[] {
  if (/^(?:false|no|off|0)$/i.test(headers.variable_sip_copy_custom_headers ?? '')) return [];
  const names = Object.keys(headers).flatMap((name) => COPIED.exec(name)?.[1] ?? []);
  return names.slice(0, MOST);
}

/** As values of a command. */
export function quoted(exports: Exports): Readonly<Record<string, string>> {
  const all =
    exports.listed.length > 0 ? { export_vars: exports.listed.join(','), ...exports.variables } : exports.variables;
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, `'${value}'`]));
}
