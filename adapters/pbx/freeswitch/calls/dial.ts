/**
 * FreeSWITCH's words for what shall be rung. Pure. Two rules: a URI comes from `registrations/parse.ts` in its strict form, and whatever
 * else varies is an id of ours, a checked AOR or a cleaned name. Nothing here quotes or escapes text to make it safe.
 */
import { type Aor, aorRealm } from '../../../../plugin/core/aor.ts';
import { type Exports, quoted } from './exports.ts';

export interface Caller {
  /** The caller's channel. */
  readonly uuid: string;
  readonly number: string;
  readonly name: string;
  readonly hidden: boolean;
}

const ID = /^[0-9A-Za-z-]{1,64}$/;

/** Channel ids, refs and call ids: all of them end up in commands. */
export function isId(text: string | undefined): text is string {
  return text !== undefined && ID.test(text);
}

type Variables = Readonly<Record<string, string>>;

function list(variables: Variables): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

/** What the phone's INVITE carries on every way it is dialled: the id that was in the push, as header and as Call-ID. */
function forThePhone(aor: Aor, callId: string): Variables {
  return {
    'sip_h_X-Push-ID': callId,
    sip_invite_call_id: callId,
    // As the `user/` of the directory's own dial string would say them.
    sip_invite_domain: aorRealm(aor),
    presence_id: aor,
  };
}

export interface DialledLeg {
  readonly dial: string;
  /** Ours: told about by its ref, ended by its uuid. Absent for a contact that is no push device's. */
  readonly ours?: { readonly ref: string; readonly uuid: string; readonly delayed: boolean };
}

/** `leg_delay_start` counts whole seconds of the wall clock: 1 is between one second and two. */
const STORED_DELAY_SECONDS = 1;

/**
 * What the caller's channel bridges to. The placeholder stands first: FreeSWITCH tells the last leg "Call completed
 * elsewhere" when another phone takes the call over. Without one, and without legs, nobody is registered.
 */
export function composeText(o: {
  readonly aor: Aor;
  readonly callId: string;
  readonly caller: string;
  /** The placeholder's channel; absent when no sleeping phone is waited for. */
  readonly hold?: string;
  readonly legs: readonly DialledLeg[];
}): string {
  const hold = o.hold
    ? [
        `[${list({ origination_uuid: o.hold, pushwake_hold: o.caller, null_enable_auto_answer: 'false' })}]null/pushwake`,
      ]
    : [];
  const legs = o.legs.map(({ dial, ours }) => {
    const own: Variables = ours
      ? {
          origination_uuid: ours.uuid,
          pushwake_ref: ours.ref,
          ...(ours.delayed ? { leg_delay_start: String(STORED_DELAY_SECONDS) } : {}),
        }
      : {};
    return `[${list({ ...forThePhone(o.aor, o.callId), ...own })}]${dial}`;
  });
  const all = [...hold, ...legs];
  // One phone's early media would end the ringing of all others.
  return all.length === 0 ? 'error/user_not_registered' : `{ignore_early_media=true}${all.join(',')}`;
}

/** Rings one phone and, when it answers, takes the caller over, unless somebody else has him by then. */
export function originateText(o: {
  readonly aor: Aor;
  readonly callId: string;
  readonly uuid: string;
  readonly ref: string;
  readonly dial: string;
  readonly caller: Caller;
  /** He was answered before his call came here. */
  readonly answered: boolean;
  readonly timeoutSeconds: number;
  /** What the administrator's dialplan gives to each leg of this call. */
  readonly exports: Exports;
}): string {
  const { caller } = o;
  const variables: Variables = {
    ...quoted(o.exports),
    ...rung(o, caller),
    // Never out of a talk, nor out of the voicemail of a caller nobody had answered before.
    [o.answered ? 'intercept_unbridged_only' : 'intercept_unanswered_only']: 'true',
    pushwake_ref: o.ref,
    pushwake_caller: caller.uuid,
    ...forThePhone(o.aor, o.callId),
  };
  return `originate {${list(variables)}}${o.dial} &intercept(${caller.uuid})`;
}

/** Rings a phone for a call that is over; the caller of this function ends it as soon as the phone has got the INVITE. */
export function lateText(o: {
  readonly aor: Aor;
  readonly callId: string;
  readonly uuid: string;
  readonly dial: string;
  readonly caller: Omit<Caller, 'uuid'>;
  readonly timeoutSeconds: number;
}): string {
  const variables: Variables = { ...rung(o, o.caller), pushwake_late: 'true', ...forThePhone(o.aor, o.callId) };
  return `originate {${list(variables)}}${o.dial} &park()`;
}

function rung(o: { readonly uuid: string; readonly timeoutSeconds: number }, caller: Omit<Caller, 'uuid'>): Variables {
  return {
    origination_uuid: o.uuid,
    origination_caller_id_number: cleanNumber(caller.number),
    origination_caller_id_name: `'${cleanName(caller.name) || cleanNumber(caller.number)}'`,
    ...(caller.hidden ? { origination_privacy: 'hide_name:hide_number:screen' } : {}),
    ignore_early_media: 'true',
    originate_timeout: String(o.timeoutSeconds),
  };
}

/** The caller's own words, into a command: what could end a value, a list or a quote is left out. */
export function cleanName(text: string): string {
  return text
    .replaceAll("'", '’')
    .replace(/[^\p{L}\p{M}\p{N} ._@+’-]/gu, ' ')
    .replace(/ +/g, ' ')
    .trim()
    .slice(0, 80);
}

export function cleanNumber(text: string): string {
  return text.replace(/[^0-9A-Za-z+*#._@-]/g, '').slice(0, 80) || 'anonymous';
}
