/** One account's record in sentences, for the administrator: everything that is kept, tokens as fingerprints only. Pure. */
import type { AorRecord, Binding, EndReason, LifetimeNotice, Target, Targets } from './binding.ts';
import { sourceOf } from './contact-uri.ts';
import { explainDevices } from './explain.ts';
import { noticeKind } from './schedule.ts';
import { type Stage, stageOf } from './stage.ts';
import { between, DAY, HOUR, type Instant, MINUTE } from './time.ts';
import type { TroubleCause } from './trouble.ts';

/** What may be shown of a binding, for programs. */
export interface ShownBinding {
  readonly bindingId: string;
  readonly stage: Stage;
  readonly endsAt: string;
  readonly renewedAt: string;
  readonly createdAt: string;
  readonly ending?: EndReason;
  readonly targets: Readonly<Partial<Record<keyof Targets, ShownTarget>>>;
  /** Where it was seen: host and port only, a contact's URI holds the token. */
  readonly contacts: readonly { readonly pbx: string; readonly source: string; readonly seenAt: string }[];
  readonly sent: readonly { readonly kind: string; readonly at: string; readonly done: boolean }[];
  /** The last silent refresh push of this lifetime. */
  readonly lastRefreshAt?: string;
  readonly wakes: readonly (number | null)[];
  /** The language that its app reported. */
  readonly locale?: string;
  /** Why it does not come for calls as it should, where that is known. */
  readonly trouble?: { readonly cause: TroubleCause; readonly since: string };
}

export interface ShownTarget {
  readonly provider: string;
  readonly app: string;
  /** Fingerprint. */
  readonly token: string;
}

export interface ShownRecord {
  readonly aor: string;
  readonly bindings: readonly ShownBinding[];
  readonly tombstones: readonly { readonly bindingId: string; readonly reason: EndReason; readonly endedAt: string }[];
  /** The same in sentences. */
  readonly sentences: readonly string[];
}

export function describeRecord(record: AorRecord, now: Instant): ShownRecord {
  return {
    aor: record.aor,
    bindings: record.bindings.map(shownBinding),
    tombstones: record.tombstones.map((t) => ({ bindingId: t.id, reason: t.reason, endedAt: iso(t.endedAt) })),
    sentences: sentencesOf(record, now),
  };
}

export function shownBinding(b: Binding): ShownBinding {
  const target = (t: Target | undefined) => t && { provider: t.provider, app: t.app, token: t.token.fingerprint };
  const call = target(b.targets.call);
  const other = target(b.targets.other);
  return {
    bindingId: b.id,
    stage: stageOf(b),
    endsAt: iso(b.endsAt),
    renewedAt: iso(b.renewedAt),
    createdAt: iso(b.createdAt),
    ...(b.ending ? { ending: b.ending.reason } : {}),
    targets: { ...(call ? { call } : {}), ...(other ? { other } : {}) },
    contacts: b.contacts.map((c) => ({
      pbx: c.pbx,
      source: sourceOf(c.uri) ?? 'an address that cannot be read',
      seenAt: iso(c.seenAt),
    })),
    sent: b.sent.map((s) => ({ kind: noticeKind(s), at: iso(s.at), done: s.done })),
    ...(b.lastRefreshAt === undefined ? {} : { lastRefreshAt: iso(b.lastRefreshAt) }),
    wakes: b.wakes ?? [],
    ...(b.locale === undefined ? {} : { locale: b.locale }),
    ...(b.trouble ? { trouble: { cause: b.trouble.cause, since: iso(b.trouble.since) } } : {}),
  };
}

function sentencesOf(record: AorRecord, now: Instant): string[] {
  const all = explainDevices(record, now);
  const living = record.bindings.flatMap((b, i) => [all[i] ?? '', ...detailsOf(b, now).map((line) => `  ${line}`)]);
  const due = record.dueAt === undefined ? [] : [`Next thing to do for ${record.aor}: ${inTime(record.dueAt, now)}.`];
  return [...living, ...all.slice(record.bindings.length), ...due];
}

function detailsOf(b: Binding, now: Instant): string[] {
  const pushed = (['call', 'other'] as const).flatMap((via) => {
    const target = b.targets[via];
    const what = via === 'call' ? 'Calls' : 'Refreshes, notices and closing words';
    return target ? [`${what} go to ${target.provider}, app ${target.app}, token ${target.token.fingerprint}.`] : [];
  });
  const refreshed = b.lastRefreshAt === undefined ? [] : [`refresh ${ago(b.lastRefreshAt, now)}`];
  const notices = b.sent.map((s) => `${inWords(s)} ${ago(s.at, now)}${s.done ? '' : ' (outcome not known)'}`);
  const sent = [...refreshed, ...notices];
  const contacts = b.contacts.map(
    (c) => `${sourceOf(c.uri) ?? 'an unreadable address'} on ${c.pbx} ${ago(c.seenAt, now)}`,
  );
  return [
    `Binding ${b.id}, made ${ago(b.createdAt, now)}, its lifetime ends ${inTime(b.endsAt, now)}.`,
    ...pushed,
    ...(b.targets.call && !b.targets.other ? ['It has a VoIP token only: its user cannot be sent a notice.'] : []),
    contacts.length > 0 ? `Seen at ${contacts.join(', ')}.` : 'No contact of it is known.',
    sent.length > 0 ? `Sent in this lifetime: ${sent.join(', ')}.` : 'Nothing was sent in this lifetime.',
    ...(b.signs?.askedAt === undefined ? [] : [`Its user was asked to open the app ${ago(b.signs.askedAt, now)}.`]),
    ...(b.locale === undefined ? [] : [`Its language is ${b.locale}.`]),
    ...(b.unansweredWakes > 0 ? [`The last ${b.unansweredWakes} calls in a row did not wake it.`] : []),
    ...(b.claim ? [`Its app reported ${ago(b.claim.at, now)} what no REGISTER has borne out yet.`] : []),
    ...(b.notBefore !== undefined && b.notBefore > now ? [`What is due is put off: ${inTime(b.notBefore, now)}.`] : []),
    ...(b.ending
      ? [
          `Still to do for its end: ${b.ending.notice === 'due' ? 'the notice, ' : ''}${b.ending.contact === 'due' ? 'the contact' : 'nothing of the contact'}.`,
        ]
      : []),
  ];
}

function inWords(which: LifetimeNotice): string {
  return which.notice === 'soon' ? `"expires soon" (${Math.round(which.offsetMs / HOUR)} h)` : '"expired"';
}

const iso = (at: Instant): string => new Date(at).toISOString();

function span(ms: number): string {
  if (ms < HOUR) return `${Math.round(ms / MINUTE)} min`;
  return ms < 2 * DAY ? `${Math.round(ms / HOUR)} h` : `${Math.round(ms / DAY)} days`;
}

const ago = (at: Instant, now: Instant): string => `${span(Math.max(0, between(at, now)))} ago`;

const inTime = (at: Instant, now: Instant): string =>
  at <= now ? 'now' : `in ${span(between(now, at))} (${iso(at).slice(0, 16).replace('T', ' ')} UTC)`;
