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
const OURS = /^(?:pushwake_|origination_|intercept_|sip_invite_call_id$|sip_h_X-Push-ID$|export_vars$)/i;

export interface Exports {
  readonly variables: Readonly<Record<string, string>>;
  /** Names whose values cannot be handed on. */
  readonly refused: readonly string[];
}

export const NO_EXPORTS: Exports = { variables: {}, refused: [] };

/** The headers that must leave the worker for `exportsOf`. */
export function exportHeadersOf(headers: Headers): readonly string[] {
  const listed = headers.variable_export_vars;
  if (listed === undefined) return [];
  return [
    'variable_export_vars',
    ...listed
      .split(',')
      .slice(0, MOST)
      .map((name) => `variable_${name.trim()}`),
  ];
}

/** `export_vars` names them; one that is exported `nolocal` is kept under that name, without being set for the caller. */
export function exportsOf(headers: Headers): Exports {
  const variables: Record<string, string> = {};
  const refused: string[] = [];
  for (const listed of (headers.variable_export_vars ?? '').split(',').slice(0, MOST)) {
    const name = listed.trim().replace(/^(?:nolocal|_nolocal_):?/, '');
    if (!NAME.test(name) || OURS.test(name)) continue;
    const value = headers[`variable_${listed.trim()}`] ?? headers[`variable_${name}`];
    if (value === undefined || value === '') continue;
    if (VALUE.test(value)) variables[name] = value;
    else refused.push(name);
  }
  return { variables, refused };
}

/** As values of a command. */
export function quoted(exports: Exports): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(exports.variables).map(([name, value]) => [name, `'${value}'`]));
}
