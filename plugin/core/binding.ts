/**
 * The record: what we know of the push bindings of one account. One record per AOR, one key, one atomic write.
 * This file holds the shapes and the codec; what may change a record is decided in `lifecycle.ts` alone.
 */
import type { Aor } from './aor.ts';
import { formatInWords, MIGRATIONS, type Migrations, readsFormat } from './old-records.ts';
import { mistakeIn } from './record-form.ts';
import type { Signs } from './signs.ts';
import { type DurationMs, type Instant, instant } from './time.ts';
import { Token } from './token.ts';
import type { Trouble } from './trouble.ts';
import type { WakeRecord } from './wake-record.ts';

/** Random, given once. Never derived from evidence: evidence may later merge two bindings into one. */
export type BindingId = string & { readonly __bindingId: unique symbol };

/** Where a push goes: service, app, token. */
export interface Target {
  /** RFC 8599 `pn-provider` in lower case: `apns`, `fcm`, `webpush`, … */
  readonly provider: string;
  /** The app as the provider names it: APNs `TEAMID.bundle.id` or `bundle.id`, FCM project, web push origin. Chooses the key. */
  readonly app: string;
  /** APNs only: which of Apple's two worlds the token is from. Absent: production. */
  readonly environment?: 'production' | 'sandbox';
  /** Acrobits only: which account of the device is meant. */
  readonly selector?: string;
  /** The SIP library that reads the pushes of this app, where its REGISTER shows which. Absent: not known. */
  readonly library?: 'liblinphone';
  readonly token: Token;
}

/** A binding has up to two targets: `call` (on iOS the VoIP token) and `other` (refreshes, notices, cancels). */
export interface Targets {
  readonly call?: Target;
  readonly other?: Target;
}

/** A contact this device was seen at. The PBX owns contacts; we remember them to recognise the device and to tidy up. */
export interface KnownContact {
  /** Name of the PBX link in the configuration. */
  readonly pbx: string;
  /** Exactly as the PBX stores it. */
  readonly uri: string;
  /** When a REGISTER of it was last seen or proved. */
  readonly seenAt: Instant;
  /** SIP `Expires` granted, where known; never less than what was granted. */
  readonly grantedMs?: DurationMs;
  /** While that is not known, or only that it was no more: the expiry last seen, and when. Once it moves, something was granted since then. */
  readonly seenExpiry?: { readonly expiresAt: Instant; readonly lookedAt: Instant };
}

/** One notice of a lifetime: *expires soon*, by how long before the end it is due, or *expired*. */
export type LifetimeNotice =
  | { readonly notice: 'soon'; readonly offsetMs: DurationMs }
  | { readonly notice: 'expired' };

/** A notice. `open` asks the user to open the app, because calls do not wake it. */
export type NoticeId = LifetimeNotice | { readonly notice: 'open' };

/** A notice that was sent in this lifetime. */
export type SentNotice = LifetimeNotice & {
  readonly at: Instant;
  /** The service took it, or the push is lost for good. Not done: saved before sending, the outcome is not known yet. */
  readonly done: boolean;
  /** It was only logged, in `mode: observe`: the user knows nothing of it. */
  readonly observed?: true;
};

export type EndReason =
  | 'age'
  | 'unregistered'
  | 'token-dead'
  | 'unreachable'
  | 'aor-deleted'
  | 'dropped'
  | 'never-registered'
  /** The app reported over HTTP that the account was removed from it. */
  | 'removed';

/** Stored, because a crash, a late REGISTER or a dead push service may fall between any two of its steps. */
export interface Ending {
  readonly reason: EndReason;
  readonly since: Instant;
  readonly notice: 'due' | 'done';
  readonly contact: 'due' | 'gone';
  /** The push service refuses the notice for a mistake of ours (key, topic): the ending waits until that is mended. */
  readonly held?: 'misconfigured';
}

/** What an app reported over HTTP. Not believed until the AOR has registered since: nothing is pushed to these targets. */
export interface Claim {
  readonly at: Instant;
  readonly installId?: string;
  /** The language of the device, as a BCP 47 tag. */
  readonly locale?: string;
  readonly targets: Targets;
}

/** What the PBX's own user directory says of an account, for those PBXs that have one. */
export interface Choice {
  /** Name of an entry of the configuration's `policies`. */
  readonly policy?: string;
  /** The app of a Contact that names none; see `Target.app`. */
  readonly app?: string;
}

/** Never who called. */
export interface MissedCalls {
  readonly count: number;
  /** The last of them. */
  readonly callId: string;
  readonly at: Instant;
  /** It is not known yet whether the push service took the word of it: then again. */
  readonly againAt?: Instant;
}

/** Texts that wait for a device; what they say is not here. */
export interface WaitingTexts {
  readonly count: number;
  /** The last of them came. */
  readonly at: Instant;
  readonly pushedAt?: Instant;
  /** It is not known yet whether the push service took the word of them: then again. */
  readonly againAt?: Instant;
}

/** What the user was last sent about the mailbox; never who called. */
export interface VoicemailState {
  /** New messages that the policy counts. */
  readonly count: number;
  readonly at: Instant;
  /** The word that is under way. */
  readonly how?: 'seen' | 'silent';
  /** It is not known yet whether the push service took it: then again. */
  readonly againAt?: Instant;
}

/** One app install of one AOR that can be woken by push. Outlives its contacts on purpose. */
export interface Binding {
  readonly id: BindingId;
  readonly createdAt: Instant;
  readonly evidence: {
    /** `+sip.instance` (RFC 5626), by HEP. */
    readonly instanceId?: string;
    /** What the app calls itself in its reports over HTTP. */
    readonly installId?: string;
    /** Fingerprints of tokens that it gave up for its present ones, oldest first. What is merely held with one proves nothing. */
    readonly formerTokens?: readonly string[];
  };
  /** The language of the device, as a BCP 47 tag, where its app reported it over HTTP. */
  readonly locale?: string;
  /** When the app last reported over HTTP what was then borne out by a REGISTER. Absent: it never reported. */
  readonly reportedAt?: Instant;
  /** With empty `targets`: nothing but this is known of the device. */
  readonly claim?: Claim;
  readonly targets: Targets;
  readonly contacts: readonly KnownContact[];
  /** What the directory said of the account at its last REGISTER. Undefined: nothing. Not optional: policies are chosen by it. */
  readonly choice: Choice | undefined;
  /** The latest instant at which a REGISTER is proved. Never later than what is proved. */
  readonly renewedAt: Instant;
  /** The end of OUR lifetime, not of the SIP registration. */
  readonly endsAt: Instant;
  /** Notices of this lifetime, oldest first. Emptied by a renewal. */
  readonly sent: readonly SentNotice[];
  /** When the last silent refresh push of this lifetime went out. Absent: none did. */
  readonly lastRefreshAt?: Instant;
  /** Accepted call pushes in a row that no REGISTER followed. */
  readonly unansweredWakes: number;
  /** How its last call pushes went; absent before the first. */
  readonly wakes?: WakeRecord;
  /** What its last pushes left that is not as it should be. Absent: nothing. */
  readonly signs?: Signs;
  /** What is wrong with it now, by these signs. Absent: nothing, or it is not known what. */
  readonly trouble?: Trouble;
  /** Calls that it slept through since it was last heard of. Absent: none, or its user is not sent word of them. */
  readonly missed?: MissedCalls;
  /** Texts that wait until it registers. Absent: none. */
  readonly texts?: WaitingTexts;
  /** Absent: nothing was heard of its mailbox, or its user is not sent word of it. */
  readonly voicemail?: VoicemailState;
  /** Due work is put off until then: the PBX could not be asked, or the service did not take a notice. */
  readonly notBefore?: Instant;
  /** How often in a row it was put off, until it is done. */
  readonly putOff?: number;
  readonly ending?: Ending;
}

/** What remains of a binding that ended, for `explain`. */
export interface Tombstone {
  readonly id: BindingId;
  readonly reason: EndReason;
  readonly endedAt: Instant;
  readonly renewedAt: Instant;
  /** Fingerprints only; the tokens are gone. */
  readonly tokens: readonly string[];
}

/** All bindings of one account. */
export interface AorRecord {
  readonly aor: Aor;
  /** Compare-and-set counter; 0 is "not stored yet". */
  readonly version: number;
  /** The earliest instant at which anything must happen for this record. */
  readonly dueAt?: Instant;
  readonly bindings: readonly Binding[];
  readonly tombstones: readonly Tombstone[];
  /** Since when every PBX that owns the AOR says it knows no such AOR. */
  readonly missingSince?: Instant;
}

/**
 * Version of the stored form. Raise it together with a migration in `old-records.ts`; old files are read, never rewritten in bulk.
 * A new format that readers of this one may read (they pass over fields they do not know) says `readableFrom: 2` in each record.
 */
export const RECORD_FORMAT = 2;

/** What the directory says of an account is known by any of its devices. Undefined: nothing, or it has no device yet. */
export function choiceOf(bindings: readonly Pick<Binding, 'choice'>[]): Choice | undefined {
  return bindings.find((b) => b.choice)?.choice;
}

/** The app of this account's Contacts that name none. */
export function appChosen(bindings: readonly Pick<Binding, 'choice'>[]): string | undefined {
  return bindings.find((b) => b.choice?.app !== undefined)?.choice?.app;
}

/** Names the app of a target in the whole site: its push service and the app as that service names it. */
export type AppKey = string & { readonly __appKey: unique symbol };

export function appKey({ provider, app }: Pick<Target, 'provider' | 'app'>): AppKey {
  return `${provider} ${app}` as AppKey;
}

/** Whether calls reach it: it is not ending, and is more than a claim. */
export function isLive(b: Binding): boolean {
  return b.ending === undefined && (b.targets.call ?? b.targets.other) !== undefined;
}

export function emptyRecord(aor: Aor): AorRecord {
  return { aor, version: 0, bindings: [], tombstones: [] };
}

/** The stored form: JSON with the tokens in it. For the store only; everything else prints fingerprints. */
export function encodeRecord(record: AorRecord): string {
  const target = (t: Target | undefined) => t && { ...t, token: t.token.reveal() };
  const targets = ({ call, other }: Targets) => ({ call: target(call), other: target(other) });
  return JSON.stringify({
    format: RECORD_FORMAT,
    ...record,
    bindings: record.bindings.map((b) => ({
      ...b,
      targets: targets(b.targets),
      ...(b.claim ? { claim: { ...b.claim, targets: targets(b.claim.targets) } } : {}),
    })),
  });
}

type StoredTarget = Omit<Target, 'token'> & { token: string };
type StoredTargets = { call?: StoredTarget; other?: StoredTarget };
type StoredBinding = Omit<Binding, 'targets' | 'claim'> & {
  targets: StoredTargets;
  claim?: Omit<Claim, 'targets'> & { targets: StoredTargets };
};

/**
 * Reads the stored form back. Throws `RecordError` when the text is not a record of a format we know: damaged or
 * newer data must be seen by a person, never taken for "no binding".
 */
export function decodeRecord(text: string, migrations: Migrations = MIGRATIONS): AorRecord {
  let raw: { format?: unknown; readableFrom?: unknown; bindings?: StoredBinding[]; tombstones?: Tombstone[] } & Omit<
    AorRecord,
    'bindings'
  >;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new RecordError('stored record is not JSON', { cause });
  }
  for (let step = migrations[Number(raw?.format)]; step; step = migrations[Number(raw.format)]) {
    raw = {
      ...step(raw as unknown as Record<string, unknown>),
      format: Number(raw.format) + 1,
    } as unknown as typeof raw;
  }
  if (raw === null || typeof raw !== 'object' || !readsFormat(raw, RECORD_FORMAT) || !Array.isArray(raw.bindings)) {
    const found = raw && typeof raw === 'object' ? formatInWords(raw) : typeof raw;
    throw new RecordError(`stored record has format ${found}, this program reads format ${RECORD_FORMAT}`);
  }
  const mistake = mistakeIn(raw);
  if (mistake !== undefined) throw new RecordError(`stored record is none: ${mistake}`);
  const target = (t: StoredTarget | undefined): Target | undefined => t && { ...t, token: new Token(t.token) };
  const targets = (stored: StoredTargets): Targets => {
    const call = target(stored.call);
    const other = target(stored.other);
    return { ...(call ? { call } : {}), ...(other ? { other } : {}) };
  };
  return {
    aor: raw.aor,
    version: raw.version,
    ...(raw.dueAt === undefined ? {} : { dueAt: instant(raw.dueAt) }),
    ...(raw.missingSince === undefined ? {} : { missingSince: instant(raw.missingSince) }),
    tombstones: raw.tombstones ?? [],
    bindings: raw.bindings.map(({ claim, ...b }) => ({
      ...b,
      choice: b.choice,
      targets: targets(b.targets),
      ...(claim ? { claim: { ...claim, targets: targets(claim.targets) } } : {}),
    })),
  };
}

/** A stored record that cannot be read. The message names the form, never the content. */
export class RecordError extends Error {
  override name = 'RecordError';
}
