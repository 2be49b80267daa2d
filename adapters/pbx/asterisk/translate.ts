/**
 * ARI events into facts. Pure: what a channel is to us is looked up, never kept here. Unknown types, missing fields and
 * channels that are none of ours yield nothing; nothing here throws, whatever Asterisk or a stranger's Contact says.
 */
import { LONGEST_CALLER, shortened } from '../../../plugin/core/detached.ts';
import { parseRef } from '../../../plugin/core/wake.ts';

/** The content of an ARI event, before the AOR is mapped to a realm and the contact is parsed. */
export type AriFact = ContactFact | CallFact | TextFact | NodesFact;

/** A fact about several nodes beside one Asterisk, for `nodes.ts`. */
export type NodesFact =
  /** `offered`: all nodes are asked which one answers this call. `claimed`: it is this one. */
  | { readonly fact: 'offered' | 'claimed'; readonly channelId: string }
  /** Another node says that it is there. */
  | { readonly fact: 'nodeAlive'; readonly node: string }
  /** The link has looked which other nodes there are. */
  /** Another node has this leg, which waits there now. */
  | { readonly fact: 'legTaken'; readonly channelId: string }
  | { readonly fact: 'nodesLooked'; readonly others: readonly string[] };

/** Not an event of Asterisk's: the link has looked for other nodes. */
export const NODES_LOOKED = 'NodesLooked';
/** Not an event of Asterisk's: `ContactStatusChange` of a contact that is not read yet. */
export const CONTACT_COMING = 'ContactComing';
/** The user event by which a node says to another one that it is there. */
export const NODE_ALIVE = 'pushwake-alive';
/** The user event by which a node says to another one, which counts as gone, that it has one of its legs. */
export const LEG_TAKEN = 'pushwake-taken';

/** A text waits in Stasis; `value`: what the dialplan wrote of it. */
export interface TextFact {
  readonly fact: 'text';
  readonly channelId: string;
  readonly key: string;
  readonly value: string;
}

/** A fact about a contact, for `registrations.ts`. */
export type ContactFact =
  /** It has just been added, and is read in a moment; a call waits for its phone. */
  | { readonly fact: 'contactComing'; readonly aorId: string; readonly uri: string; readonly atEpochMs: number }
  /** `contactHeld`: a qualified contact answers again: it exists, but no REGISTER is proved. */
  | {
      readonly fact: 'contactNew' | 'contactHeld';
      readonly aorId: string;
      readonly uri: string;
      readonly atEpochMs: number;
      /** res_pjsip's own words for it, where it could be read. */
      readonly stored?: Readonly<Record<string, string>>;
    }
  | { readonly fact: 'contactRemoved'; readonly aorId: string; readonly uri: string; readonly atEpochMs: number };

/** A fact about a channel, for `calls.ts`. */
export type CallFact =
  | {
      readonly fact: 'wakeLeg';
      readonly channelId: string;
      readonly aorId: string;
      /** The endpoint whose settings apply when its contacts are dialled; several endpoints may share an AOR. */
      readonly endpoint: string;
      /** The caller's own channel, which dials by itself: its end and its answer are not those of the Dial. */
      readonly own: boolean;
      readonly linkedId: string;
      readonly startedEpochMs: number;
      readonly caller?: { readonly name?: string; readonly number?: string };
      /** Version of the dialplan that asks; absent: it is older than those that say it (version 9). */
      readonly dialplan?: number;
    }
  | {
      readonly fact: 'deviceLeg';
      readonly kind: 'stored' | 'device';
      readonly channelId: string;
      readonly ref: string;
      readonly callId: string;
      readonly aorId: string;
      readonly endpoint: string;
      readonly startedEpochMs: number;
      /** Q.850 cause of its Dial that is over; 0: it has dialled nobody yet. Absent: a dialplan (before version 4) in which it never comes back. */
      readonly afterCause?: number;
    }
  /** A leg dials; `peerId`: the phone's own channel. */
  | { readonly fact: 'dialling'; readonly channelId: string; readonly peerId: string }
  | { readonly fact: 'leftStasis'; readonly channelId: string }
  | { readonly fact: 'ringing'; readonly ref: string }
  /** A phone that came too late now shows the call that is over. */
  | { readonly fact: 'lateRinging'; readonly channelId: string }
  | { readonly fact: 'answered'; readonly channelId: string }
  /** A phone that this channel dials has answered. `leaves`: it is sent away from this Dial at once, for whatever reason. */
  | { readonly fact: 'dialAnswered'; readonly channelId: string; readonly leaves: boolean }
  /** The leg will end; why, if it ends now. `fromOutside`: because of its call; otherwise its dialplan is through, or we asked for it. */
  | {
      readonly fact: 'hangupRequested';
      readonly channelId: string;
      readonly cause: number;
      readonly fromOutside: boolean;
    }
  | { readonly fact: 'ended'; readonly channelId: string; readonly cause: number }
  /** Another process connected with our application's name: no event reaches us any more. */
  | { readonly fact: 'replaced' };

/** The prefix of the name of a channel, and of its extension, that shows a late phone that its call is over. */
export const LATE = 'late-';

/** What StasisBroadcast of the dialplan hands to the node that has claimed its channel. */
const CLAIMED = 'claimed';

/** A name that a dial string takes unescaped. */
const ENDPOINT = /^[0-9A-Za-z._~+*#%-]{1,128}$/;

type Json = Record<string, unknown>;

const text = (v: unknown): string | undefined => (typeof v === 'string' && v !== '' ? v : undefined);
const object = (v: unknown): Json => (v !== null && typeof v === 'object' ? (v as Json) : {});
const strings = (v: unknown): Record<string, string> | undefined =>
  v === undefined || v === null
    ? undefined
    : Object.fromEntries(Object.entries(object(v)).filter((e): e is [string, string] => typeof e[1] === 'string'));

/** One message as Asterisk sends it. Undefined: it cannot be read. */
export function eventOf(text: string): Json | undefined {
  try {
    return object(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function translate(event: unknown): AriFact | undefined {
  const e = object(event);
  const channel = object(e.channel);
  const channelId = text(channel.id);
  switch (e.type) {
    case 'ContactStatusChange':
      return contact(object(e.contact_info), epoch(e.timestamp), strings(e.contact));
    case CONTACT_COMING: {
      const fact = contact(object(e.contact_info), epoch(e.timestamp), undefined);
      return fact?.fact === 'contactNew' ? { ...fact, fact: 'contactComing' } : undefined;
    }
    case 'CallBroadcast':
      return channelId ? { fact: 'offered', channelId } : undefined;
    case 'ChannelUserevent': {
      const said = object(e.userevent);
      const [node, leg] = [text(said.node), text(said.channel)];
      if (e.eventname === LEG_TAKEN) return leg ? { fact: 'legTaken', channelId: leg } : undefined;
      return e.eventname === NODE_ALIVE && node ? { fact: 'nodeAlive', node } : undefined;
    }
    case NODES_LOOKED:
      return Array.isArray(e.others) ? { fact: 'nodesLooked', others: e.others.map(String) } : undefined;
    case 'StasisStart':
      if (Array.isArray(e.args) && e.args[0] === CLAIMED && channelId) return { fact: 'claimed', channelId };
      return Array.isArray(e.args) && channelId
        ? (textFact(e.args.map(String), channel, channelId) ??
            leg(e.args.map(String), channel, channelId, epoch(e.timestamp)))
        : undefined;
    case 'StasisEnd':
      return channelId ? { fact: 'leftStasis', channelId } : undefined;
    case 'ChannelStateChange':
      return channel.state === 'Up' && channelId ? { fact: 'answered', channelId } : undefined;
    case 'ChannelHangupRequest':
      return channelId
        ? { fact: 'hangupRequested', channelId, cause: Number(e.cause) || 0, fromOutside: e.soft !== true }
        : undefined;
    case 'ChannelDestroyed':
      return channelId ? { fact: 'ended', channelId, cause: Number(e.cause) || 0 } : undefined;
    case 'Dial':
      return dial(String(e.dialstatus), object(e.caller), text(object(e.peer).id));
    case 'ApplicationReplaced':
      return { fact: 'replaced' };
    default:
      return undefined;
  }
}

/**
 * What a Dial says of the leg that dials: the phones' own channels are none of ours, and nobody tells us of them (`contact-events.ts`).
 * `CONTINUE`: the phone has answered and leaves its leg for the caller, as the shipped dialplan wants it; the leg never comes up.
 */
function dial(status: string, caller: Json, peerId: string | undefined): AriFact | undefined {
  const channelId = text(caller.id);
  if (status === '') return channelId && peerId ? { fact: 'dialling', channelId, peerId } : undefined;
  if (status === 'ANSWER' || status === 'CONTINUE') {
    return channelId ? { fact: 'dialAnswered', channelId, leaves: status === 'CONTINUE' } : undefined;
  }
  if (status !== 'RINGING') return undefined;
  // A leg is named by its extension: this is the 180 that came for it.
  const ref = text(caller.exten);
  if (ref && parseRef(ref)) return { fact: 'ringing', ref };
  return peerId?.startsWith(LATE) ? { fact: 'lateRinging', channelId: peerId } : undefined;
}

function contact(info: Json, atEpochMs: number, read: Record<string, string> | undefined): ContactFact | undefined {
  const aorId = text(info.aor);
  const uri = text(info.uri);
  if (!aorId || !uri) return undefined;
  const stored = read && { stored: read };
  switch (info.contact_status) {
    case 'NonQualified':
    case 'Created':
      return { fact: 'contactNew', aorId, uri, atEpochMs, ...stored };
    case 'Reachable':
      return { fact: 'contactHeld', aorId, uri, atEpochMs, ...stored };
    case 'Removed':
      return { fact: 'contactRemoved', aorId, uri, atEpochMs };
    default:
      return undefined;
  }
}

/** Of the dialplan of texts. */
function textFact([kind, key]: readonly string[], channel: Json, channelId: string): TextFact | undefined {
  const value = text(object(channel.caller).name) ?? '';
  return kind === 'text' && key !== undefined ? { fact: 'text', channelId, key, value } : undefined;
}

/** Our legs by the arguments the shipped dialplan gives Stasis. */
function leg(args: readonly string[], channel: Json, channelId: string, seenEpochMs: number): CallFact | undefined {
  const created = epoch(channel.creationtime);
  const startedEpochMs = Number.isFinite(created) ? created : seenEpochMs;
  const [kind, first, second, third, fourth, fifth] = args;
  // The phone answered by itself, so it shows the call as well.
  if (kind === 'late') return { fact: 'lateRinging', channelId };
  if ((kind === 'compose' || kind === 'visit') && first) {
    // ARI shows who calls also where the caller withholds it; only the dialplan says whether that is so.
    const caller = third?.startsWith('allowed') ? callerOf(object(channel.caller)) : undefined;
    const linkedId = second ?? channelId;
    const endpoint = endpointOf(fourth, first);
    const own = kind === 'visit';
    return {
      fact: 'wakeLeg',
      channelId,
      aorId: first,
      endpoint,
      own,
      linkedId,
      // The caller's own channel may have been there for minutes before it asks (a menu).
      startedEpochMs: own ? seenEpochMs : startedEpochMs,
      ...(caller && { caller }),
      ...(fifth !== undefined && /^\d{1,4}$/.test(fifth) && { dialplan: Number(fifth) }),
    };
  }
  if ((kind === 'device' || kind === 'stored') && first && parseRef(first) && third) {
    const endpoint = endpointOf(fourth, third);
    return {
      fact: 'deviceLeg',
      kind,
      channelId,
      ref: first,
      callId: second ?? '',
      aorId: third,
      endpoint,
      startedEpochMs,
      ...(fifth !== undefined && /^\d{1,3}$/.test(fifth) && { afterCause: Number(fifth) }),
    };
  }
  return undefined;
}

/** The endpoint stands in a dial string. An older dialplan does not pass it; then it is the endpoint with the AOR's name. */
function endpointOf(said: string | undefined, aorId: string): string {
  return said !== undefined && ENDPOINT.test(said) ? said : aorId;
}

function callerOf({ name, number }: Json): { name?: string; number?: string } | undefined {
  const [shown, dialled] = [name, number].map((t) => shortened(text(t) ?? '', LONGEST_CALLER));
  return shown || dialled ? { ...(shown && { name: shown }), ...(dialled && { number: dialled }) } : undefined;
}

/** Channels that waited in our application while we were away: the same facts as their StasisStart would have given. */
export function translateWaiting(channel: unknown, app: string): CallFact | undefined {
  const c = object(channel);
  const plan = object(c.dialplan);
  const data = text(plan.app_data);
  const channelId = text(c.id);
  if (plan.app_name !== 'Stasis' || !data || !channelId) return undefined;
  const [name, ...args] = data.split(',');
  return name === app ? leg(args, c, channelId, epoch(c.creationtime)) : undefined;
}

/** Asterisk writes `2026-11-22T04:13:20.123+0000`, which is ISO 8601 but for the missing colon. */
function epoch(timestamp: unknown): number {
  if (typeof timestamp !== 'string') return Number.NaN;
  // By place, without a search: a call waits for this.
  const sign = timestamp.at(-5);
  return Date.parse(sign === '+' || sign === '-' ? `${timestamp.slice(0, -2)}:${timestamp.slice(-2)}` : timestamp);
}
