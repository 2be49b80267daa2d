/**
 * FreeSWITCH's words for what shall be rung. Pure. Two rules: a URI comes from `registrations/parse.ts` in its strict form, and whatever
 * else varies is an id of ours, a checked AOR, a cleaned name, or the administrator's own words. Quotes and escapes carry those
 * unchanged; they make no stranger's text safe.
 */
import { type Aor, aorRealm, aorUser, parseAor } from '../../../../plugin/core/aor.ts';
import {
  argument,
  asGlobal,
  asLocal,
  dialStringOf,
  dialStringsIn,
  joined,
  type OwnPlace,
  ownPlace,
  readDialString,
  readForAll,
  withUsers,
} from './dial-string.ts';
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

/** What the INVITE of a pushed phone carries on every way it is dialled: the id that was in the push, as header and as Call-ID. */
function ofThePush(callId: string): Variables {
  return { 'sip_h_X-Push-ID': callId, sip_invite_call_id: callId };
}

/**
 * What `user/<aor>` gives to each leg; `written`: the variables of the directory's own dial string; `forked`: others are dialled
 * beside it.
 */
function ofTheUser(aor: Aor, written: string | undefined, forked: boolean): Variables {
  return {
    // As the `user/` of the directory's own dial string would say them.
    ...(written === undefined ? { sip_invite_domain: aorRealm(aor) } : {}),
    ...(written?.includes('presence_id=') ? {} : { presence_id: aor }),
    dialed_user: aorUser(aor),
    dialed_domain: aorRealm(aor),
    // The directory's variables: the context of transfers, the account code of the CDR. `user/` sets them at the answer, or, where it is
    // one of several, at once.
    [forked ? 'execute_on_originate_pushwake' : 'execute_on_answer_pushwake']: `set_user:${aor}`,
  };
}

export interface DialledLeg {
  readonly dial: string;
  /** Ours: told about by its ref, ended by its uuid. Absent for a contact that is no push device's. */
  readonly ours?: { readonly ref: string; readonly uuid: string; readonly delayed: boolean };
}

/** `leg_delay_start` counts whole seconds of the wall clock: 1 is between one second and two. */
const STORED_DELAY_SECONDS = 1;

/** What the caller's channel is to dial for one account. */
export interface Part {
  /** `{…}` of the directory's dial string. */
  readonly head: string;
  /** `[…]` in front of each of `legs`. */
  readonly local: string;
  readonly legs: readonly string[];
  /** What the directory's dial string rings beside the phones, with its comma. */
  readonly before: string;
  readonly after: string;
}

/** What the directory says of an account, and, of the same moment, what `sofia_contact` says of it. */
export interface Said {
  readonly text: string;
  readonly held: string;
}

/** The directory's dial string, taken apart around the phones; what it says is given to every phone, also to one that wakes. */
export interface SaidOfPhones {
  readonly head: string;
  readonly place: OwnPlace;
}

export function ofPhones({ text, held }: Said): SaidOfPhones | undefined {
  const { head, body } = readDialString(text);
  const place = ownPlace(body, held);
  return place && { head, place };
}

/**
 * The placeholder stands first: FreeSWITCH sends the last leg "Call completed elsewhere" when another phone takes the call
 * over. It counts as a phone that rings, so that the caller hears from FreeSWITCH what he hears from one: 180, or the ringback that
 * the dialplan names. Without a placeholder, and without legs, nobody is registered.
 */
export function partOf(o: {
  readonly aor: Aor;
  readonly callId: string;
  readonly caller: string;
  /** The placeholder's channel; absent when no sleeping phone is waited for. */
  readonly hold?: string;
  readonly legs: readonly DialledLeg[];
  /** Absent: the directory says nothing that can be read. */
  readonly said: SaidOfPhones | undefined;
  /** The dialplan dials others beside the user. */
  readonly forked: boolean;
}): Part {
  const { head = '', place = { before: '', after: '', local: '' } } = o.said ?? {};
  const hold = o.hold
    ? [
        `[${list({
          origination_uuid: o.hold,
          pushwake_hold: o.caller,
          null_enable_auto_answer: 'false',
          execute_on_originate_pushwake: 'ring_ready',
        })}]null/${aorUser(o.aor)}`,
      ]
    : [];
  const user = ofTheUser(o.aor, o.said && `${head}${place.local}`, o.forked);
  const legs = o.legs.map(({ dial, ours }) => {
    const own: Variables = ours
      ? {
          ...ofThePush(o.callId),
          origination_uuid: ours.uuid,
          pushwake_ref: ours.ref,
          ...(ours.delayed ? { leg_delay_start: String(STORED_DELAY_SECONDS) } : {}),
        }
      : o.said
        ? {}
        : ofThePush(o.callId);
    const variables = list({ ...(o.forked ? user : {}), ...own });
    return `${variables && `[${variables}]`}${dial}`;
  });
  const all = [...hold, ...legs];
  return {
    head: o.forked ? head : `${head}{${list(user)}}`,
    ...place,
    legs: all.length === 0 ? ['error/user_not_registered'] : all,
  };
}

/**
 * What the caller's channel bridges to: the dialplan's own dial string, with what we dial in place of each user that we know.
 * `quiet`: one phone's early media would end the ringing of all others; an administrator who says something about that has his way.
 */
export function composeText(o: Composed & { readonly dial: string }): string {
  const [first = '', ...others] = dialStringsIn(o.dial);
  // `<…>` in front of the first is meant for all of them, and FreeSWITCH reads it only where nothing stands before it.
  const forAll = others.length === 0 ? '' : readForAll(first);
  return forAll + joined([first.slice(forAll.length), ...others].map((one) => composed(one, o)));
}

interface Composed {
  readonly parts: ReadonlyMap<Aor, Part>;
  readonly quiet: boolean;
}

function composed(dial: string, o: Composed): string {
  const { head, body } = readDialString(dial);
  const quiet = o.quiet ? '{ignore_early_media=true}' : '';
  const partFor = (user: string) => o.parts.get(parseAor(user) as Aor);
  const part = body.startsWith('user/') ? partFor(body.slice('user/'.length)) : undefined;
  if (part) {
    return `${quiet}${head}${part.head}${part.before}${part.legs.map((leg) => part.local + leg).join(',')}${part.after}`;
  }
  const text = withUsers(body, (user, local) => {
    const part = partFor(user);
    if (!part) return undefined;
    // A user among others: what its own dial string says of all its legs is said of each of them.
    const each = `${local}${asLocal(part.head)}`;
    // FreeSWITCH itself takes the first of several attempts of a user among others.
    const [after = ''] = part.after.split('|');
    const [before = ''] = part.before.split('|');
    const legs = part.legs.map((leg) => `${each}${part.local}${leg}`).join(',');
    return `${before && each}${before}${legs}${after.replace(/^,/, `,${each}`)}`;
  });
  return `${quiet}${head}${text}`;
}

/** Keeps who calls whom right on both channels and in their records, though the phone takes the caller over. */
const takesOver = (context: string): Variables => ({
  execute_on_answer_pushwake_swap: `'execute_extension:pushwake_swap XML ${context}'`,
});

/** `{…}` and `[…]` that the dialplan's own dial string has for a leg of this account. */
export function writtenFor(dial: string, aor: Aor): string {
  const own = ownDialString(dial, aor);
  const { head, body } = readDialString(own);
  // What is meant for all of several dial strings stands in front of the first.
  const forAll = dial.startsWith(own) ? '' : readDialString(readForAll(dial)).head;
  let found = '';
  withUsers(body, (user, local) => {
    if (parseAor(user) === aor) found = local;
    return undefined;
  });
  return `${forAll}${head}${asGlobal(found)}`;
}

/** Whether the dial string of this account dials somebody else as well. */
export function isForked(dial: string, aor: Aor): boolean {
  return !/^(?:\[[^\]]*\])*user\/[^,|]*$/.test(readDialString(ownDialString(dial, aor)).body);
}

/** Whether it is several dial strings, which FreeSWITCH dials at the same time. */
export const isEnterprise = (dial: string): boolean => dialStringsIn(dial).length > 1;

const ownDialString = (dial: string, aor: Aor) => dialStringOf(dial, (user) => parseAor(user) === aor);

/** Rings one phone and, when it answers, takes the caller over, unless somebody else has him by then. */
export function originateText(o: {
  readonly aor: Aor;
  readonly callId: string;
  readonly uuid: string;
  readonly ref: string;
  readonly dial: string;
  /**
   * `To` names the account and not the contact: Linphone's library looks up by it whose call this is, and files a call to its contact
   * under no account (linphone-android#2288). Other phones get what FreeSWITCH writes.
   */
  readonly toAccount: boolean;
  readonly caller: Caller;
  /** The dialplan context that holds our extensions. */
  readonly context: string;
  /** He was answered before his call came here. */
  readonly answered: boolean;
  readonly timeoutSeconds: number;
  /** What the administrator's dialplan gives to each leg of this call. */
  readonly exports: Exports;
  /** `{…}` that a leg of this user has in the dialplan's dial string. */
  readonly written: string;
  readonly said: SaidOfPhones | undefined;
  /** The dialplan dials others beside the user. */
  readonly forked: boolean;
  /** One of several dial strings of an enterprise originate, whose legs belong to the caller more loosely. */
  readonly enterprise: boolean;
}): string {
  const { caller, said } = o;
  const directory = said && `${said.head}${asGlobal(said.place.local)}`;
  const written = `${o.written}${directory ?? ''}`;
  const exported = list(quoted(o.exports));
  const ours: Variables = {
    ...callerOf(caller, `${exported}${written}`),
    ...rung(o),
    // Never out of a talk, nor out of the voicemail of a caller nobody had answered before.
    [o.answered ? 'intercept_unbridged_only' : 'intercept_unanswered_only']: 'true',
    pushwake_ref: o.ref,
    pushwake_caller: caller.uuid,
    // Codecs, media by another way, CDR: FreeSWITCH gives it what it gives a leg of the caller's own bridge.
    origination_aleg_uuid: caller.uuid,
    // Legs of an enterprise originate are offered the profile's codecs, not the caller's alone.
    ...(o.enterprise ? { media_mix_inbound_outbound_codecs: 'true' } : {}),
    ...takesOver(o.context),
    ...ofTheUser(o.aor, directory, o.forked),
    ...ofThePush(o.callId),
    ...(o.toAccount && !`${exported}${written}`.includes('sip_invite_to_uri=')
      ? { sip_invite_to_uri: `<sip:${o.aor.replaceAll('#', '%23')}>` }
      : {}),
  };
  // Of two that are the same the later one counts.
  const leg = `${exported && `{${exported}}`}${written}{${list(ours)}}${o.dial}`;
  return `originate ${argument(leg)} &intercept(${caller.uuid})`;
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
  const variables: Variables = {
    ...callerOf(o.caller, ''),
    ...rung(o),
    pushwake_late: 'true',
    ...ofTheUser(o.aor, undefined, false),
    ...ofThePush(o.callId),
  };
  return `originate ${argument(`{${list(variables)}}${o.dial}`)} &park()`;
}

function rung(o: { readonly uuid: string; readonly timeoutSeconds: number }): Variables {
  return { origination_uuid: o.uuid, ignore_early_media: 'true', originate_timeout: String(o.timeoutSeconds) };
}

/** Who calls, unless the administrator's own variables say it. */
function callerOf(caller: Omit<Caller, 'uuid'>, written: string): Variables {
  const isWritten = (name: string) => written.includes(`${name}=`);
  return {
    ...(isWritten('origination_caller_id_number') ? {} : { origination_caller_id_number: cleanNumber(caller.number) }),
    ...(isWritten('origination_caller_id_name')
      ? {}
      : // A caller without a name has none at the phone either; one whose name cannot be handed on has his number in its place.
        { origination_caller_id_name: `'${caller.name && (cleanName(caller.name) || cleanNumber(caller.number))}'` }),
    ...(caller.hidden && !isWritten('origination_privacy')
      ? { origination_privacy: 'hide_name:hide_number:screen' }
      : {}),
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
