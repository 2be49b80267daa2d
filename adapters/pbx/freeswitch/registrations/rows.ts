/** Rows of FreeSWITCH as the port's contacts, and the way back to the row. Pure. */
import { type Aor, parseAor } from '../../../../plugin/core/aor.ts';
import { LONGEST_USER_AGENT, shortened } from '../../../../plugin/core/detached.ts';
import type { Instant } from '../../../../plugin/core/time.ts';
import type { HeldContact } from '../../../../plugin/ports/pbx-link.ts';
import { readStored, type StoredContact } from './parse.ts';

export interface Row {
  readonly profile: string;
  readonly callId: string;
  /** `user@domain`. */
  readonly user: string;
  /** As stored. */
  readonly contact: string;
  readonly agent?: string;
  readonly dropsEpochMs?: number;
}

/** A contact, the row it stands in, and how it was read. */
export interface Held {
  readonly contact: HeldContact;
  readonly row: Row;
  readonly stored: StoredContact;
}

/**
 * Contacts of these rows. Behind NAT a phone that moved leaves rows that differ only in the way back: the youngest counts.
 * `lateMarginMs` is how long FreeSWITCH keeps a contact after its time; left in, it would prove a REGISTER too late.
 */
export function heldOf(
  pbx: string,
  rows: readonly Row[],
  lateMarginMs: number,
  fromPbx: (epochMs: number) => Instant,
): Held[] {
  const found = new Map<string, Held>();
  for (const row of rows) {
    const aor = parseAor(row.user);
    const stored = readStored(row.contact);
    if (!aor || !stored) continue;
    const key = `${aor} ${stored.uri}`;
    const known = found.get(key);
    if (known && (known.row.dropsEpochMs ?? 0) >= (row.dropsEpochMs ?? 0)) continue;
    found.set(key, { row, stored, contact: contactOf(pbx, aor, stored, row, lateMarginMs, fromPbx) });
  }
  return [...found.values()];
}

export function contactOf(
  pbx: string,
  aor: Aor,
  stored: StoredContact,
  row: Pick<Row, 'agent' | 'dropsEpochMs'>,
  lateMarginMs: number,
  fromPbx: (epochMs: number) => Instant,
): HeldContact {
  return {
    pbx,
    aor,
    uri: stored.uri,
    ...(row.dropsEpochMs === undefined ? {} : { expiresAt: fromPbx(row.dropsEpochMs - lateMarginMs) }),
    ...(row.agent ? { userAgent: shortened(row.agent, LONGEST_USER_AGENT) } : {}),
    ...(stored.route === undefined ? {} : { path: stored.route }),
  };
}

/**
 * Which rows `flush_inbound_reg <call-id>` may be sent for, so that exactly those with this URI go. It flushes every row with
 * that Call-ID, and, where the Call-ID looks like `user@domain` or `domain`, that user or the whole domain as well.
 */
export function flushable(
  aor: Aor,
  uri: string,
  rows: readonly Row[],
): { readonly ok: true; readonly rows: readonly Row[] } | { readonly ok: false; readonly reason: string } {
  const read = rows.map((row) => ({ row, aor: parseAor(row.user), uri: readStored(row.contact)?.uri }));
  const wanted = read.filter((r) => r.aor === aor && r.uri === uri);
  for (const { row } of wanted) {
    if (!isSafeCallId(row.callId)) return { ok: false, reason: 'its Call-ID could be read as something else' };
    for (const other of read) {
      if (other.row.callId !== row.callId || other.row.profile !== row.profile) continue;
      if (other.aor !== aor) return { ok: false, reason: 'another account of the same phone has its Call-ID' };
      const younger = (other.row.dropsEpochMs ?? 0) >= (row.dropsEpochMs ?? 0);
      if (other.uri !== uri && younger) return { ok: false, reason: 'a younger contact has its Call-ID' };
    }
  }
  return { ok: true, rows: wanted.map((r) => r.row) };
}

/** The command splits at blanks and understands quotes; an empty argument flushes everybody. */
export function isSafeCallId(callId: string): boolean {
  return /^[A-Za-z0-9\-.!%*_+`~()<>:/[\]?{}@=&$;|^#]{1,512}$/.test(callId) && callId.toLowerCase() !== 'reboot';
}
