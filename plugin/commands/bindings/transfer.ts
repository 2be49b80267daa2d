/**
 * Bindings as JSON lines: a backup, and the way from one store to another. The first line says what the file is; each
 * further line is one record in its stored form, tokens included: such a file is as secret as the store itself.
 */
import { type AorRecord, decodeRecord, encodeRecord } from '../../core/binding.ts';
import type { BindingStore } from '../../ports/binding-store.ts';

const EXPORT_FORMAT = 1;

const AT_ONCE = 64;

/** What cannot be imported, with the number of its line. Nothing was written then. */
export class ImportError extends Error {
  override name = 'ImportError';
}

export async function* exportLines(store: Pick<BindingStore, 'scan'>, exportedAt: string): AsyncIterable<string> {
  yield JSON.stringify({ pushwake: 'bindings', format: EXPORT_FORMAT, exportedAt });
  for await (const record of store.scan()) yield encodeRecord(record);
}

export interface ImportResult {
  readonly imported: number;
  /** AORs that have a record already; it was left as it is. */
  readonly kept: readonly string[];
}

/** Reads everything first: a file with a mistake in line 900 changes nothing. `replace`: records that exist give way. */
export async function importLines(
  store: Pick<BindingStore, 'get' | 'put'>,
  text: string,
  options: { readonly replace: boolean; readonly onRecord?: () => void },
): Promise<ImportResult> {
  const records = readLines(text);
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
  return { imported: records.length - kept.size, kept: records.filter((r) => kept.has(r)).map(({ aor }) => aor) };
}

function readLines(text: string): AorRecord[] {
  const lines = text.split('\n');
  const header = parse(lines[0] ?? '', 1) as { pushwake?: unknown; format?: unknown } | null;
  if (header?.pushwake !== 'bindings') throw new ImportError('line 1: expected the first line of a pushwake export');
  if (header.format !== EXPORT_FORMAT) {
    throw new ImportError(
      `line 1: the file has format ${String(header.format)}, this program reads format ${EXPORT_FORMAT}`,
    );
  }
  return lines.flatMap((line, i) => {
    if (i === 0 || line.trim() === '') return [];
    try {
      return [decodeRecord(line)];
    } catch (error) {
      throw new ImportError(`line ${i + 1}: ${error instanceof Error ? error.message : 'unreadable'}`);
    }
  });
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new ImportError(`line ${number}: not JSON`);
  }
}
