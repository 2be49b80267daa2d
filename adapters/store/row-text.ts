/**
 * The form in which a record lies in an engine: `version,dueAt,text`. Keyv knows neither versions nor due times, so a value
 * carries both before its text, where a script or a statement finds them without reading the JSON.
 */
import { type AorRecord, decodeRecord, encodeRecord } from '../../plugin/core/binding.ts';

/** `dueAt` may be empty. */
export function rowText(version: number, dueAt: number | undefined, text: string): string {
  return `${version},${dueAt ?? ''},${text}`;
}

export const rowOf = (record: AorRecord): string => rowText(record.version, record.dueAt, encodeRecord(record));

/** Throws `RecordError` for what is not a row of ours. */
export function recordOfRow(row: string): AorRecord {
  const head = /^\d+,\d*,/.exec(row);
  // Without its head it is no record either: the codec says so, in its words.
  return decodeRecord(head ? row.slice(head[0].length) : row);
}
