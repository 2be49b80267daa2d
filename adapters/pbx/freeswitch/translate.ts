/**
 * Events of FreeSWITCH into facts. Pure: what a channel is to us stands in its own variables (`pushwake_ref`, `pushwake_hold`,
 * `pushwake_aor`), so nothing is kept here. Unknown events, missing headers and channels that are none of ours yield nothing;
 * nothing here throws, whatever a phone wrote into its Contact or User-Agent.
 */
import type { Aor } from '../../../plugin/core/aor.ts';
import type { Choice } from '../../../plugin/core/binding.ts';
import { detached, LONGEST_CALLER, shortened } from '../../../plugin/core/detached.ts';
import { isEnterprise, isForked, isId } from './calls/dial.ts';
import { LONGEST_DIAL_STRING } from './calls/dial-string.ts';
import { exportHeadersOf, exportsOf } from './calls/exports.ts';
import type { CallFact, FsFact } from './facts.ts';

/** Headers of an event, as in json. */
export type EventHeaders = Readonly<Record<string, string>>;

const SIP_ANSWER = 'variable_proto_specific_hangup_cause';
/** Not 408, nor those of a server in between. */
const SAID_BY_PHONE = /^sip:(?:4(?!08)\d\d|500|6\d\d)$/;

/** What is read of a sometimes 160 headers long event, and leaves the worker. */
const READ: ReadonlySet<string> = new Set([
  ...['Event-Name', 'Event-Subclass', 'Core-UUID', 'Event-Date-Timestamp', '_body', 'Job-UUID'],
  ...[
    'profile-name',
    'from-user',
    'from-host',
    'user',
    'host',
    'contact',
    'call-id',
    'expires',
    'user-agent',
    'reason',
    'to-user',
    'to-host',
    'registration-type',
  ],
  // Variables of the user's directory entry, which FreeSWITCH adds to each registration.
  ...['pushwake_policy', 'pushwake_app'],
  ...['pushwake-aor', 'pushwake-node', 'Unique-ID', 'Channel-Call-UUID', 'Hangup-Cause', 'Answer-State'],
  ...['Caller-Caller-ID-Number', 'Caller-Caller-ID-Name', 'Caller-Privacy-Hide-Number', 'Caller-Privacy-Hide-Name'],
  ...['variable_effective_caller_id_number', 'variable_effective_caller_id_name'],
  ...['Caller-Channel-Created-Time', 'variable_call_timeout', 'variable_pushwake_aor', 'variable_pushwake_node'],
  ...['MWI-Messages-Waiting', 'MWI-Message-Account', 'MWI-Voice-Message', 'Update-Reason'],
  ...['VM-Action', 'VM-User', 'VM-Domain', 'VM-Caller-ID-Name', 'VM-Caller-ID-Number'],
  ...['pushwake-sent', 'Delivery-Result-Code'],
  'variable_current_application',
  ...['variable_pushwake_dial', 'variable_pushwake_and', 'variable_pushwake_said', 'variable_pushwake_held'],
  'variable_pushwake_context',
  'variable_fail_on_single_reject',
  SIP_ANSWER,
  ...['variable_ignore_early_media', 'variable_bridge_early_media'],
  ...['variable_pushwake_ref', 'variable_pushwake_hold', 'variable_pushwake_caller', 'variable_pushwake_late'],
]);

/** Custom events subscribed to. Not `pre_register` and `register_attempt`: they come with each REGISTER, and anybody can cause them. */
const SUBCLASSES = [
  'sofia::register',
  'sofia::unregister',
  'sofia::expire',
  'sofia::register_failure',
  'pushwake::call',
  'pushwake::seen',
  'SMS::DELIVERY_REPORT',
  'vm::maintenance',
] as const;
const CHANNEL_EVENTS = [
  'CHANNEL_ORIGINATE',
  'CHANNEL_PROGRESS',
  'CHANNEL_PROGRESS_MEDIA',
  'CHANNEL_ANSWER',
  'CHANNEL_HANGUP',
];

/** The word CUSTOM and what follows it must come last. */
export const SUBSCRIPTION = `event json HEARTBEAT BACKGROUND_JOB MESSAGE MESSAGE_WAITING ${CHANNEL_EVENTS.join(' ')} CUSTOM ${SUBCLASSES.join(' ')}`;

/** The headers worth handing on, or undefined for an event that is none of ours. */
export function worthReading(event: EventHeaders): EventHeaders | undefined {
  const name = event['Event-Name'];
  const isChannel = name?.startsWith('CHANNEL_');
  const ours =
    event.variable_pushwake_ref !== undefined ||
    event.variable_pushwake_hold !== undefined ||
    event.variable_pushwake_late !== undefined ||
    event.variable_pushwake_aor !== undefined;
  if (name === 'MESSAGE') return isTextForUs(event) ? textHeaders(event) : undefined;
  if (isChannel ? !ours : !PASSED.has(name ?? '')) return undefined;
  const exported = new Set(exportHeadersOf(event));
  return Object.fromEntries(Object.entries(event).filter(([header]) => READ.has(header) || exported.has(header)));
}

const PASSED: ReadonlySet<string> = new Set(['BACKGROUND_JOB', 'CUSTOM', 'MESSAGE_WAITING']);

/** A text that the shipped chatplan took for us. FreeSWITCH raises the event of a text once more when it is through with it. */
const isTextForUs = (event: EventHeaders) =>
  event.pushwake_text !== undefined &&
  event['Nonblocking-Delivery'] === undefined &&
  event['Delivery-Failure'] === undefined;

/** In the form in which the chatplan wrote it down. */
function textHeaders(event: EventHeaders): EventHeaders {
  const parts = [event.to, event.from_full, event.type, event.sip_profile, event._body];
  const value = parts.map((part) => encodeURIComponent((part ?? '').toWellFormed())).join('|');
  return { 'Event-Name': 'MESSAGE', pushwake_text: event.pushwake_text ?? '', value };
}

/** Applications under which a caller is answered by somebody who was rung. */
const DIALS: ReadonlySet<string> = new Set(['bridge', 'intercept', 'sleep']);

export function translate(event: EventHeaders): FsFact | undefined {
  switch (event['Event-Name']) {
    case 'CUSTOM':
      return custom(event);
    case 'MESSAGE':
      return { fact: 'text', id: event.pushwake_text ?? '', value: event.value ?? '' };
    case 'MESSAGE_WAITING':
      return mailbox(event);
    case 'BACKGROUND_JOB': {
      const job = event['Job-UUID'];
      const reason = /^-ERR\s*(.*)/.exec(event._body ?? '')?.[1];
      return isId(job) && reason !== undefined ? { fact: 'jobFailed', job, reason: reason.slice(0, 60) } : undefined;
    }
    case 'CHANNEL_ORIGINATE':
    case 'CHANNEL_PROGRESS':
    case 'CHANNEL_PROGRESS_MEDIA':
    case 'CHANNEL_ANSWER':
    case 'CHANNEL_HANGUP':
      return channel(event, event['Event-Name']);
    default:
      return undefined;
  }
}

function custom(event: EventHeaders): FsFact | undefined {
  switch (event['Event-Subclass']) {
    case 'sofia::register':
      return registered(event);
    case 'sofia::unregister':
      return unregistered(event);
    case 'sofia::expire':
      return expired(event);
    case 'sofia::register_failure':
      return refused(event);
    case 'pushwake::call':
      return waitingCall(event);
    case 'pushwake::seen':
      return seenCall(event);
    case 'SMS::DELIVERY_REPORT': {
      const mark = event['pushwake-sent'];
      const status = Number(event['Delivery-Result-Code']);
      return mark === undefined ? undefined : { fact: 'textReport', mark, status };
    }
    case 'vm::maintenance':
      return event['VM-Action'] === 'leave-message' ? messageLeft(event) : undefined;
    default:
      return undefined;
  }
}

/** `2/1 (1/0)`: new, saved, and the urgent ones among them. */
function mailbox(e: EventHeaders): FsFact | undefined {
  const account = /^(?:sips?:)?([^@\s]{1,128}@[^@\s]{1,253})$/i.exec(e['MWI-Message-Account'] ?? '')?.[1];
  const count = /^(\d{1,6})\/\d{1,6}(?: \((\d{1,6})\/\d{1,6}\))?$/.exec(e['MWI-Voice-Message'] ?? '');
  const none = e['MWI-Messages-Waiting'] === 'no';
  if (account === undefined || (!count && !none)) return undefined;
  const [newMessages, urgent] = [Number(count?.[1] ?? 0), Number(count?.[2] ?? 0)];
  // An answer to a phone that asks bears no reason.
  const why = e['Update-Reason'] === undefined ? 'asked' : 'changed';
  return { fact: 'mailbox', user: account, newMessages, urgent, why };
}

function messageLeft(e: EventHeaders): FsFact | undefined {
  const user = userOf(e['VM-User'], e['VM-Domain']);
  if (!user) return undefined;
  const [name, number] = [e['VM-Caller-ID-Name'], e['VM-Caller-ID-Number']].map((t) =>
    shortened(t ?? '', LONGEST_CALLER),
  );
  return { fact: 'messageLeft', user, caller: { ...(name && { name }), ...(number && { number }) } };
}

const userOf = (user?: string, host?: string) => (user && host ? `${user}@${host}` : undefined);
/** A name of a dialplan context that can stand in a command. */
const CONTEXT = /^[0-9A-Za-z@._-]{1,64}$/;
/** FreeSWITCH states microseconds. */
const epochMs = (microseconds: string | undefined) =>
  microseconds ? Math.floor(Number(microseconds) / 1_000) : Number.NaN;

function registered(e: EventHeaders): FsFact | undefined {
  // From-user and -host are those of the account (To); the event's own to-user is the other one.
  const user = userOf(e['from-user'], e['from-host']);
  const { contact } = e;
  const profile = e['profile-name'];
  if (!user || !contact || !profile) return undefined;
  const granted = Number(e.expires);
  return {
    fact: 'registered',
    profile,
    user,
    contact,
    callId: e['call-id'] ?? '',
    ...(Number.isFinite(granted) && granted > 0 ? { grantedSeconds: granted } : {}),
    ...(e['user-agent'] ? { agent: e['user-agent'] } : {}),
    ...choiceOf(e),
    atEpochMs: epochMs(e['Event-Date-Timestamp']),
  };
}

/** An administrator's own words; whether they mean anything is found out where policies and apps are known. */
function choiceOf({ pushwake_policy, pushwake_app }: EventHeaders): { readonly choice?: Choice } {
  const [policy, app] = [pushwake_policy?.trim(), pushwake_app?.trim()];
  if (!policy && !app) return {};
  return { choice: { ...(policy ? { policy: policy.slice(0, 64) } : {}), ...(app ? { app: app.slice(0, 256) } : {}) } };
}

function unregistered(e: EventHeaders): FsFact | undefined {
  // The system closed an app's connection; nobody logged out.
  if (e.reason === 'socket-disconnection') return undefined;
  const user = userOf(e['from-user'], e['from-host']);
  const profile = e['profile-name'];
  if (!user || !profile) return undefined;
  const { contact } = e;
  return {
    fact: 'unregistered',
    profile,
    user,
    callId: e['call-id'] ?? '',
    ...(contact && !contact.includes('sip:(null)@(null)') ? { contact } : {}),
    atEpochMs: epochMs(e['Event-Date-Timestamp']),
  };
}

function expired(e: EventHeaders): FsFact | undefined {
  const user = userOf(e.user, e.host);
  const { contact } = e;
  const profile = e['profile-name'];
  if (!user || !contact || !profile) return undefined;
  return {
    fact: 'expired',
    profile,
    user,
    contact,
    callId: e['call-id'] ?? '',
    expiresEpochMs: Number(e.expires) * 1_000,
    atEpochMs: epochMs(e['Event-Date-Timestamp']),
  };
}

function refused(e: EventHeaders): FsFact | undefined {
  const { 'to-user': user, 'to-host': domain, 'profile-name': profile } = e;
  // The same event is sent for a call whose caller has a wrong password.
  if (!user || !domain || !profile || e['registration-type'] !== 'REGISTER') return undefined;
  return { fact: 'refused', profile, user, domain, atEpochMs: epochMs(e['Event-Date-Timestamp']) };
}

function waitingCall(e: EventHeaders): FsFact | undefined {
  return callOf(e, e['pushwake-aor'] ?? e.variable_pushwake_aor, e['pushwake-node'] ?? e.variable_pushwake_node);
}

function seenCall(e: EventHeaders): FsFact | undefined {
  const call = callOf(e, e['pushwake-aor'] ?? e.variable_pushwake_aor);
  return call && { ...call, fact: 'seen' };
}

/** The same from `uuid_dump` of a channel: a call that waited while nobody listened. */
export function callOf(
  e: EventHeaders,
  aor = e.variable_pushwake_aor,
  node = e.variable_pushwake_node,
): CallFact | undefined {
  const uuid = e['Unique-ID'];
  if (!isId(uuid) || !aor) return undefined;
  const timeout = Number(e.variable_call_timeout);
  const created = epochMs(e['Caller-Channel-Created-Time']);
  return {
    fact: 'call',
    aor,
    node: node ?? '',
    caller: {
      uuid,
      // What a bridge would show.
      number: shortened(e.variable_effective_caller_id_number || e['Caller-Caller-ID-Number'] || '', LONGEST_CALLER),
      name: shortened(e.variable_effective_caller_id_name || e['Caller-Caller-ID-Name'] || '', LONGEST_CALLER),
      hidden: e['Caller-Privacy-Hide-Number'] === 'true' || e['Caller-Privacy-Hide-Name'] === 'true',
    },
    context: CONTEXT.test(e.variable_pushwake_context ?? '') ? (e.variable_pushwake_context as string) : 'pushwake',
    answered: e['Answer-State'] === 'answered',
    exports: exportsOf(e),
    ...dialOf(e, aor),
    linkedId: e['Channel-Call-UUID'] ?? uuid,
    startedEpochMs: created > 0 ? created : epochMs(e['Event-Date-Timestamp']),
    ...(Number.isFinite(timeout) && timeout > 0 ? { timeoutSeconds: Math.min(timeout, 3_600) } : {}),
  };
}

type Dialled = Pick<CallFact, 'dial' | 'said' | 'saysEarlyMedia' | 'failsOn'>;

function dialOf(e: EventHeaders, aor: string): Dialled {
  const said = e.variable_pushwake_said;
  const held = e.variable_pushwake_held ?? '';
  const fails = e.variable_fail_on_single_reject;
  const user = `user/${aor}`;
  // `pushwake_plain` may say something else to ring without us; the account is rung in its place.
  const written = e.variable_pushwake_dial?.includes(user) ? e.variable_pushwake_dial : user;
  const dial = `${written}${e.variable_pushwake_and ?? ''}`;
  return {
    ...(isReadable(dial) ? { dial: detached(dial) } : ringsOthers(dial, aor as Aor) ? {} : { dial: user }),
    ...(said && isReadable(said) && isReadable(held) ? { said: { text: detached(said), held: detached(held) } } : {}),
    saysEarlyMedia: Boolean(e.variable_ignore_early_media || e.variable_bridge_early_media),
    ...(fails ? { failsOn: shortened(fails, 256) } : {}),
  };
}

const ringsOthers = (dial: string, aor: Aor) => isEnterprise(dial) || isForked(dial, aor);

/** It goes back to FreeSWITCH in a command, and is expanded there once more. */
function isReadable(dial: string): boolean {
  return dial.length <= LONGEST_DIAL_STRING && !/[\p{Cc}\\]|\$\{/u.test(dial);
}

function channel(e: EventHeaders, name: string): FsFact | undefined {
  const uuid = e['Unique-ID'];
  if (!isId(uuid)) return undefined;
  const cause = e['Hangup-Cause'] ?? '';
  const ref = e.variable_pushwake_ref;
  if (isId(ref)) {
    switch (name) {
      case 'CHANNEL_ORIGINATE':
        return { fact: 'legDials', ref, uuid };
      case 'CHANNEL_ANSWER':
        return { fact: 'legAnswered', ref, uuid };
      case 'CHANNEL_HANGUP':
        return { fact: 'legEnded', ref, uuid, cause, byPhone: SAID_BY_PHONE.test(e[SIP_ANSWER] ?? '') };
      default:
        return { fact: 'legRinging', ref, uuid };
    }
  }
  if (e.variable_pushwake_late) {
    if (name === 'CHANNEL_ORIGINATE') return undefined;
    return { fact: name === 'CHANNEL_HANGUP' ? 'lateEnded' : 'lateHeard', uuid };
  }
  const caller = e.variable_pushwake_hold;
  if (isId(caller)) {
    if (name === 'CHANNEL_ORIGINATE') return { fact: 'holdBegan', caller };
    return name === 'CHANNEL_HANGUP' ? { fact: 'holdEnded', caller, uuid, cause } : undefined;
  }
  if (!e.variable_pushwake_aor) return undefined;
  if (name === 'CHANNEL_ANSWER') {
    const application = e.variable_current_application;
    return { fact: 'callerAnswered', caller: uuid, byPhone: application === undefined || DIALS.has(application) };
  }
  return name === 'CHANNEL_HANGUP' ? { fact: 'callerEnded', caller: uuid, cause } : undefined;
}
