/**
 * Forms of a stored record that are not today's: how an older one is read, how one is written for an older pushwake, and which newer
 * one may be read. ADR 0110 says what each version owes to the two before it.
 */
type Raw = Readonly<Record<string, unknown>>;
type Sent = { readonly kind: string; readonly at: number; readonly done: boolean };
type OldBinding = Raw & { readonly sent?: readonly Sent[]; readonly ending?: Raw };
type Notice = { readonly notice: string; readonly offsetMs?: number; readonly at: number; readonly done: boolean };
type NewBinding = Raw & {
  readonly sent?: readonly Notice[];
  readonly ending?: Raw;
  readonly lastRefreshAt?: number;
};

/** Each entry turns a stored record of its number into one of the next, or of the one before. */
export type Migrations = Readonly<Record<number, (raw: Raw) => Raw>>;

/** By the format that is read. */
export const MIGRATIONS: Migrations = { 1: fromFormat1 };
/** By the format that is written. */
const BACKWARDS: Migrations = { 1: toFormat1 };

/** Formats that an export can be written in for an older pushwake: 1 is that of 0.1.0. */
export const OLDER_FORMATS: readonly number[] = Object.keys(BACKWARDS).map(Number);

/** Whether a reader of `reader` may read it: it is of that format, or newer and says that such a reader may. */
export function readsFormat({ format, readableFrom }: Raw, reader: number): boolean {
  if (format === reader) return true;
  return typeof format === 'number' && typeof readableFrom === 'number' && format > reader && readableFrom <= reader;
}

export function formatInWords({ format, readableFrom }: Raw): string {
  return `${String(format)}${readableFrom === undefined ? '' : ` (readable from ${String(readableFrom)})`}`;
}

/** The stored text of a record, as a pushwake of that format reads it. Throws `RangeError` for a format that cannot be written. */
export function forOlder(stored: string, format: number): string {
  let raw = JSON.parse(stored) as Raw;
  while (raw.format !== format) {
    const back = BACKWARDS[Number(raw.format) - 1];
    if (!back) throw new RangeError(`a record of format ${String(raw.format)} cannot be written in format ${format}`);
    raw = { ...back(raw), format: Number(raw.format) - 1 };
  }
  return JSON.stringify(raw);
}

/**
 * Format 1 (0.1.0) kept refreshes, notices and a mark for "our key is refused" in one list, by a name: `refresh`,
 * `soon-43200000`, `misconfigured`.
 */
function fromFormat1(raw: Raw): Raw {
  if (!Array.isArray(raw.bindings)) return raw;
  const bindings = (raw.bindings as OldBinding[]).map((b) => {
    const sent = b.sent ?? [];
    const refreshes = sent.filter((s) => s.kind === 'refresh').map((s) => s.at);
    return {
      ...b,
      sent: sent.flatMap(({ kind, at, done }) => {
        const offset = /^soon-(\d+)$/.exec(kind)?.[1];
        return offset === undefined ? [] : [{ notice: 'soon', offsetMs: Number(offset), at, done }];
      }),
      ...(refreshes.length > 0 ? { lastRefreshAt: Math.max(...refreshes) } : {}),
      ...(b.ending && sent.some((s) => s.kind === 'misconfigured')
        ? { ending: { ...b.ending, held: 'misconfigured' } }
        : {}),
    };
  });
  return { ...raw, bindings };
}

/** What 0.1.0 does not know goes: signs, troubles, languages, what waits for the phone. The app reports most of it again. */
const UNKNOWN_TO_FORMAT_1 = ['lastRefreshAt', 'signs', 'trouble', 'locale', 'missed', 'texts', 'voicemail'] as const;

function toFormat1(raw: Raw): Raw {
  const bindings = (raw.bindings as readonly NewBinding[]).map((b) => {
    const known = Object.fromEntries(
      Object.entries(b).filter(([name]) => !(UNKNOWN_TO_FORMAT_1 as readonly string[]).includes(name)),
    );
    const { held, ...ending } = b.ending ?? {};
    const sent: Sent[] = [
      ...(b.lastRefreshAt === undefined ? [] : [{ kind: 'refresh', at: b.lastRefreshAt, done: true }]),
      ...(b.sent ?? []).flatMap(({ notice, offsetMs, at, done }) =>
        notice === 'soon' && offsetMs !== undefined ? [{ kind: `soon-${offsetMs}`, at, done }] : [],
      ),
      ...(held === 'misconfigured' ? [{ kind: 'misconfigured', at: Number(b.ending?.since), done: true }] : []),
    ];
    return { ...known, sent, ...(b.ending ? { ending } : {}) };
  });
  return { ...raw, bindings };
}
