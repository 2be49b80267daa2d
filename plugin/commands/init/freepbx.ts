/**
 * The files of a FreePBX that it leaves alone. Its web interface writes extensions_additional.conf anew at each change, and so pushwake's
 * hints stand in extensions_override_freepbx.conf, which is read first: of two hints of one extension Asterisk takes the first.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '../exit.ts';
import { type PlannedFile, textOf } from './plan.ts';

/** Which extensions get a hint from us: those that are named, all of them, or (undefined) none. */
export type Extensions = 'all' | readonly string[] | undefined;

const GENERATED = 'extensions_additional.conf';
const OVERRIDE = 'extensions_override_freepbx.conf';
const FIRST =
  '; pushwake: hints of the extensions that are rung through it; `pushwake init` writes them, `init --undo` removes them';
const LAST = '; pushwake: end';

export const isFreePbx = (folder: string): boolean => existsSync(join(folder, GENERATED));

/** `--extensions`: `all`, or numbers with commas between. */
export function extensionsOf(text: string | undefined): Extensions {
  if (text === undefined || text === 'all') return text;
  const all = text.split(',').map((one) => one.trim());
  const wrong = all.find((one) => !/^[0-9*#+]{1,20}$/.test(one));
  if (wrong !== undefined) throw new CommandError(`--extensions: expected all, or 1001,1002; found "${wrong}"`);
  return all;
}

export interface PlannedHints {
  readonly files: readonly PlannedFile[];
  readonly notes: readonly string[];
}

/** Hints of extensions that had one from us before keep it, unless all or others are named. */
export function planHints(folder: string, wanted: Extensions): PlannedHints {
  const path = join(folder, OVERRIDE);
  const before = textOf(path);
  const had = before === undefined ? [] : extensionsIn(before);
  if (wanted === undefined && had.length === 0) return { files: [], notes: [] };
  const generated = hintsOf(textOf(join(folder, GENERATED)) ?? '');
  const named = wanted === 'all' ? [...generated.keys()] : (wanted ?? had);
  const notes: string[] = [];
  const lines = named.flatMap((extension) => {
    const hint = generated.get(extension);
    const ours = hint === undefined ? undefined : hintOf(hint);
    if (ours === undefined) {
      const why = hint === undefined ? 'FreePBX has written no hint of it' : `it is no PJSIP extension (${hint})`;
      if (wanted !== 'all') notes.push(`extension ${extension} gets no hint: ${why}.`);
      return [];
    }
    return ours === hint ? [] : [`exten => ${extension},hint,${ours}`];
  });
  const rest = withoutHints(before ?? '');
  const gap = rest === '' || rest.endsWith('\n') ? '' : '\n';
  const after = lines.length === 0 ? rest : `${rest}${gap}${[FIRST, '[ext-local]', ...lines, LAST].join('\n')}\n`;
  return { files: [{ path, before, after, mode: 0o664, like: join(folder, GENERATED) }], notes };
}

/** The text without our block, which stands at the end; what an administrator has written behind it stays. */
export function withoutHints(text: string): string {
  const from = text.indexOf(FIRST);
  const to = text.indexOf(LAST, from);
  if (from < 0 || to < 0) return text;
  return text.slice(0, from) + text.slice(to + LAST.length).replace(/^\n/, '');
}

/** Those that have a hint from us in this folder. */
export function extensionsWithHints(folder: string): Extensions {
  const had = extensionsIn(textOf(join(folder, OVERRIDE)) ?? '');
  return had.length === 0 ? undefined : had;
}

function extensionsIn(text: string): string[] {
  const from = text.indexOf(FIRST);
  if (from < 0) return [];
  return [...text.slice(from).matchAll(/^exten => ([^,\s]+),hint,/gm)].map((m) => m[1] as string);
}

/** What only the web interface of FreePBX can take back, in words. */
export function stillDialled(folder: string): string[] {
  const generated = [...hintsOf(textOf(join(folder, GENERATED)) ?? '')];
  const named = (part: RegExp) => generated.filter(([, hint]) => part.test(hint)).map(([extension]) => extension);
  const dials = named(/^Local\/[^&]*@pushwake/);
  const hints = named(/Stasis:pushwake-/);
  return [
    ...(dials.length > 0 ? [`"Dial" of ${dials.join(', ')} still names pushwake: put PJSIP/<extension> back.`] : []),
    ...(hints.length > 0
      ? [`"Hint Override" of ${hints.join(', ')} still names pushwake: empty it, and put "Dial" back.`]
      : []),
  ];
}

/** Extension → hint, as FreePBX wrote them in [ext-local]; patterns are left out. */
function hintsOf(generated: string): Map<string, string> {
  const hints = new Map<string, string>();
  let context = '';
  for (const line of generated.split('\n')) {
    context = /^\s*\[([^\]]+)\]/.exec(line)?.[1] ?? context;
    const [, extension, hint] = /^exten\s*=>\s*([^_,\s][^,\s]*),hint,(\S+)/.exec(line) ?? [];
    if (context === 'ext-local' && extension !== undefined && hint !== undefined) hints.set(extension, hint);
  }
  return hints;
}

/** The phone, and what pushwake says of it while it sleeps, before what FreePBX adds. Undefined: its phone is none of PJSIP. */
function hintOf(hint: string): string | undefined {
  const [device = '', ...more] = hint.split('&');
  const dialled = /^(?:PJSIP\/|Local\/(?=[^&/]+@pushwake\/n$))([^@/]+)/.exec(device)?.[1];
  if (dialled === undefined) return undefined;
  const ours = `Stasis:pushwake-${dialled}`;
  const rest = more.filter((one) => one !== ours);
  return [`PJSIP/${dialled}`, ours, ...rest].join('&');
}
