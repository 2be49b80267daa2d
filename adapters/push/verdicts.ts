/**
 * Reading an answer by a provider's verdict table: the same for every service. Pure. Nothing from the answer's text reaches
 * an outcome but a reason of the table, so no token, page or payload can leak through it.
 */
import { type DurationMs, HOUR, type Instant, SECOND } from '../../plugin/core/time.ts';
import type { PushOutcome, Verdict } from '../../plugin/ports/push-provider.ts';

/** An answer, or what came in its place. */
export interface Answer {
  readonly status?: number;
  /** The service's words, most telling first, or ours for "no answer". */
  readonly reasons?: readonly string[];
  /** The service's own id of the push. */
  readonly id?: string | undefined;
  /** What the service asks for; comes before the time of the table. */
  readonly retryAfterMs?: DurationMs | undefined;
  /** Since when the service knows that the token is dead. */
  readonly since?: Instant | undefined;
}

const ACCEPTED: PushOutcome = { kind: 'accepted' };

export function readVerdict(rows: readonly Verdict[], answer: Answer): PushOutcome {
  const { status, reasons = [] } = answer;
  // What nearly every push is answered with: no table is searched for it.
  if (status === 200 && reasons.length === 0 && rows[0]?.outcome === 'accepted' && rows[0].reason === '*') {
    return answer.id === undefined ? ACCEPTED : { kind: 'accepted', id: answer.id };
  }
  if (status === 200 && reasons.length === 1 && rows[0]?.outcome === 'accepted' && rows[0].reason === reasons[0]) {
    return answer.id === undefined ? ACCEPTED : { kind: 'accepted', id: answer.id };
  }
  const same = byStatus(rows).get(status);
  const row = reasons.map((reason) => same?.get(reason)).find((r) => r !== undefined) ?? same?.get('*');
  // A reason we do not know is not repeated: it is text from outside.
  if (row) return outcomeOfRow(row, row.reason === '*' ? `status ${status}` : row.reason, answer);
  if (status === undefined) return { kind: 'retryLater', reason: 'connection lost' };
  // Any other 4xx and 5xx, also of reasons the service has yet to invent.
  if (status < 500) return { kind: 'failed', reason: `status ${status}` };
  return { kind: 'retryLater', reason: `status ${status}`, ...after(answer.retryAfterMs) };
}

type Rows = ReadonlyMap<number | undefined, ReadonlyMap<string, Verdict>>;
const sorted = new WeakMap<readonly Verdict[], Rows>();

/** Each table is sorted once: it is read with every push. Of two rows for the same answer the first holds. */
function byStatus(rows: readonly Verdict[]): Rows {
  const known = sorted.get(rows);
  if (known) return known;
  const made = new Map<number | undefined, Map<string, Verdict>>();
  for (const row of rows) {
    const same = made.get(row.status) ?? new Map<string, Verdict>();
    if (!same.has(row.reason)) same.set(row.reason, row);
    made.set(row.status, same);
  }
  sorted.set(rows, made);
  return made;
}

function outcomeOfRow(row: Verdict, reason: string, answer: Answer): PushOutcome {
  const scope = row.scope && { scope: row.scope };
  switch (row.outcome) {
    case 'accepted':
      return { kind: 'accepted', ...(answer.id !== undefined && { id: answer.id }) };
    case 'tokenDead':
      return { kind: 'tokenDead', reason, ...(answer.since !== undefined && { since: answer.since }) };
    case 'retryLater': {
      const unsure = row.unsure && { unsure: row.unsure };
      return { kind: 'retryLater', reason, ...after(answer.retryAfterMs ?? row.afterMs), ...scope, ...unsure };
    }
    case 'misconfigured':
      return { kind: 'misconfigured', reason, hint: row.hint ?? 'see the verdict table', ...scope };
    case 'failed':
      return { kind: 'failed', reason };
  }
}

function after(afterMs: DurationMs | undefined): { readonly afterMs?: DurationMs } {
  return afterMs === undefined ? {} : { afterMs };
}

/** `Retry-After` (RFC 9110 §10.2.3): seconds or a date. More than an hour is not believed. */
export function readRetryAfter(value: unknown, now: Instant): DurationMs | undefined {
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const ms = /^\s*\d{1,9}\s*$/.test(value) ? Number(value) * SECOND : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.min(HOUR, Math.max(0, ms)) : undefined;
}

/** The rows of a service that is reached by `https-client.ts`, for when there is no answer that can be read. */
export function noAnswerRows(certificateHint: string): readonly Verdict[] {
  return [
    {
      reason: 'connection lost',
      outcome: 'retryLater',
      unsure: true,
      why: 'Whether the service took it is not known, so again with the same id.',
    },
    {
      reason: 'no answer in time',
      outcome: 'retryLater',
      unsure: true,
      why: 'The connection may be dead without a word: it is replaced, then again.',
    },
    { reason: 'cannot connect', outcome: 'retryLater', why: 'Name, route or port: passes, or is seen by the breaker.' },
    {
      reason: 'certificate not trusted',
      outcome: 'misconfigured',
      hint: certificateHint,
      why: 'A proxy that inspects TLS answers so for ever.',
    },
    { reason: 'unreadable answer', outcome: 'failed', why: 'More than 64 kB: a page of somebody in between.' },
    { reason: 'aborted', outcome: 'retryLater', why: 'Ours: the call ended, its time was up, or the program stops.' },
  ];
}

/** An app's name as a REGISTER or a report gave it: text written by a stranger. */
export function printable(text: string): string {
  return text.replace(/[^\w.-]/g, '?').slice(0, 80);
}
