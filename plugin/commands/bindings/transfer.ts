/**
 * What a store holds as JSON lines: a backup, and the way from one store to another. The first line says what the file is; each
 * further line is one record in its stored form, tokens included, or one text that waits for phones: such a file is as secret as the
 * store itself. The last line of a backup says how many there are: one that was cut on its way is not taken for the whole.
 */
import { parseAor } from '../../core/aor.ts';
import { type AorRecord, decodeRecord, encodeRecord } from '../../core/binding.ts';
import { formatInWords, forOlder, readsFormat } from '../../core/old-records.ts';
import type { BindingStore } from '../../ports/binding-store.ts';
import { type KeptText, MOST_TEXT_BYTES, MOST_TEXTS } from '../../ports/text-store.ts';

/** Of the file, not of the records in it: those state their own. */
const EXPORT_FORMAT = 1;

const AT_ONCE = 64;

/** One account may have all of them: what a policy allowed when they came is not asked again. */
const ROOM = { ofAccount: MOST_TEXTS, inAll: MOST_TEXTS, bytesInAll: MOST_TEXT_BYTES };

/** What cannot be imported, with the number of its line. Nothing was written then. */
export class ImportError extends Error {
  override name = 'ImportError';
}

/** How many there are of each in a file. */
export interface Count {
  readonly records: number;
  readonly texts: number;
}

/**
 * `recordFormat`: one of `OLDER_FORMATS`, for an older pushwake; undefined: today's. `counted`: the file will have a last line, `endLine`, which
 * an older pushwake does not know.
 */
export async function* exportLines(
  store: Pick<BindingStore, 'scan'>,
  exportedAt: string,
  { recordFormat, counted }: { readonly recordFormat: number | undefined; readonly counted: boolean },
): AsyncIterable<string> {
  yield JSON.stringify({ pushwake: 'bindings', format: EXPORT_FORMAT, exportedAt, ...(counted ? { counted } : {}) });
  for await (const record of store.scan()) {
    const stored = encodeRecord(record);
    yield recordFormat === undefined ? stored : forOlder(stored, recordFormat);
  }
}

/** The texts that wait, one line each; in a file they come behind the records. */
export async function* textLines(store: Pick<BindingStore, 'texts'>): AsyncIterable<string> {
  const texts = store.texts?.();
  if (!texts) return;
  for (const aor of await texts.accounts()) for (const text of await texts.of(aor)) yield JSON.stringify({ text });
}

export const endLine = (end: Count): string => JSON.stringify({ end });

export interface ImportResult {
  readonly imported: number;
  /** AORs that have a record already; it was left as it is. */
  readonly kept: readonly string[];
  /** Texts that wait in the store now, those that waited there already included. */
  readonly texts: number;
}

/** Reads everything first: a file with a mistake in line 900 changes nothing. `replace`: records that exist give way. */
export async function importLines(
  store: Pick<BindingStore, 'get' | 'put' | 'texts'>,
  text: string,
  options: { readonly replace: boolean; readonly onRecord?: () => void },
): Promise<ImportResult> {
  const { records, texts } = readLines(text);
  const textStore = store.texts?.();
  if (texts.length > 0 && !textStore)
    throw new ImportError('it has texts that wait for phones, and this store keeps none');
  const kept = new Set<AorRecord>();
  const one = async (record: AorRecord) => {
    options.onRecord?.();
    const known = await store.get(record.aor);
    const put = known && !options.replace ? undefined : await store.put(record, known?.version ?? 0);
    if (!put?.ok) kept.add(record);
  };
  // Side by side: a store across a network answers many as fast as one. Two records of one AOR stay in their order.
  const byAor = [...Map.groupBy(records, ({ aor }) => aor).values()].values();
  const lane = async () => {
    for (const same of byAor) for (const record of same) await one(record);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  let waiting = 0;
  if (texts.length > 0) await textStore?.open();
  for (const one of texts) if ((await textStore?.keep(one, ROOM)) !== 'full') waiting++;
  return {
    imported: records.length - kept.size,
    kept: records.filter((r) => kept.has(r)).map(({ aor }) => aor),
    texts: waiting,
  };
}

function readLines(text: string): { readonly records: readonly AorRecord[]; readonly texts: readonly KeptText[] } {
  const lines = text.split('\n');
  const header = parse(lines[0] ?? '', 1) as Partial<
    Record<'pushwake' | 'format' | 'readableFrom' | 'counted', unknown>
  > | null;
  if (header?.pushwake !== 'bindings') throw new ImportError('line 1: expected the first line of a pushwake export');
  if (!readsFormat({ ...header }, EXPORT_FORMAT)) {
    throw new ImportError(
      `line 1: the file has format ${formatInWords({ ...header })}, this program reads format ${EXPORT_FORMAT}`,
    );
  }
  const records: AorRecord[] = [];
  const texts: KeptText[] = [];
  let end: unknown;
  for (const [i, line] of lines.entries()) {
    if (i === 0 || line.trim() === '') continue;
    try {
      if (line.startsWith('{"end":')) end = (parse(line, i + 1) as { readonly end: unknown }).end;
      else if (line.startsWith('{"text":')) texts.push(keptText(parse(line, i + 1)));
      else records.push(decodeRecord(line));
    } catch (error) {
      if (error instanceof ImportError) throw error;
      throw new ImportError(`line ${i + 1}: ${error instanceof Error ? error.message : 'unreadable'}`);
    }
  }
  const found: Count = { records: records.length, texts: texts.length };
  if (end === undefined && header?.counted === true)
    throw new ImportError(
      `it is cut: ${inWords(found)}, and the last line, which says how many there were, is missing`,
    );
  if (end !== undefined && JSON.stringify(end) !== JSON.stringify(found))
    throw new ImportError(`its last line counts ${JSON.stringify(end)}, and there are ${inWords(found)}`);
  return { records, texts };
}

const inWords = ({ records, texts }: Count) => `${records} records and ${texts} texts`;

const TEXT_FIELDS = ['id', 'aor', 'pbx', 'from', 'to', 'contentType', 'body'] as const;

/** Throws an `Error` that names the field and never its content. */
function keptText(line: unknown): KeptText {
  const raw = (line as { readonly text?: unknown }).text;
  if (raw === null || typeof raw !== 'object') throw new Error('a text: expected an object');
  const text = raw as Partial<Record<keyof KeptText, unknown>>;
  for (const name of TEXT_FIELDS) if (typeof text[name] !== 'string') throw new Error(`text.${name}: expected a text`);
  if (parseAor(String(text.aor)) !== text.aor)
    throw new Error('text.aor: expected an account such as 1001@example.com');
  for (const name of ['receivedAt', 'expiresAt'] as const) {
    if (!Number.isSafeInteger(text[name])) throw new Error(`text.${name}: expected a time in milliseconds`);
  }
  const { waiting } = text;
  if (!Array.isArray(waiting) || waiting.length === 0 || !waiting.every((id) => /^[\w-]{1,64}$/.test(String(id)))) {
    throw new Error('text.waiting: expected a list of ids of bindings');
  }
  return raw as KeptText;
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new ImportError(`line ${number}: not JSON`);
  }
}
