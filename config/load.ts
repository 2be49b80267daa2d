/**
 * Reads `pushwake.yaml`. All mistakes at once, each with file, line, column and the expected form; nothing is taken from a
 * file with a mistake in it. The only place that reads the environment: `${NAME}`, `${file:path}` and `${credential:name}` stand for a
 * whole scalar or a part of one, and are put in after parsing, so that no value can break the YAML.
 */
import { fstatSync, readFileSync } from 'node:fs';
import { type Document, isNode, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import type { HttpProxy } from '../plugin/core/proxy.ts';
import { visible } from '../plugin/core/visible.ts';
import { ConfigError } from '../plugin/ports/config-error.ts';
import type { AdapterKind, SchemaOf } from './adapter-kinds.ts';
import { adapterSchema, fileSchema, type JsonSchema, keysAt } from './json-schema.ts';
import { environmentProxy, proxyOf, proxySchema } from './proxy-schema.ts';
import { type Config, configSchema } from './schema.ts';
import { inWords, nearest } from './wording.ts';
import { formMistakes, STAR } from './yaml-words.ts';

export interface Mistake {
  readonly line: number;
  readonly column: number;
  /** `pbx.office.url` */
  readonly path: string;
  readonly message: string;
}

export { ConfigError };

/** Lists every mistake of the file. Holds no value of it: a value may be a password. */
export class ConfigFileError extends ConfigError {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof ConfigError && 'mistakes' in value;
  }

  readonly mistakes: readonly Mistake[];

  constructor(file: string, mistakes: readonly Mistake[]) {
    // A key may hold a line break: each mistake stays one line all the same.
    const lines = mistakes.map((m) =>
      visible(`${file}:${m.line}:${m.column} ${m.path ? `${m.path}: ` : ''}${m.message}`),
    );
    super(lines.join('\n'));
    this.mistakes = mistakes;
  }
}

export type { AdapterKind, SchemaOf };

export interface LoadedConfig extends Omit<Config, AdapterKind> {
  readonly store: AdapterConfig;
  readonly pbx: Readonly<Record<string, AdapterConfig>>;
  readonly push: Readonly<Record<string, AdapterConfig>>;
  readonly events: Readonly<Record<string, AdapterConfig>>;
}

export interface AdapterConfig {
  readonly type: string;
  readonly options: unknown;
  /** Push services only. Undefined: reached directly. */
  readonly proxy?: HttpProxy | undefined;
}

/** A configuration that was read, and where its values stand: for what is found out once they are used. */
export interface ConfigFile {
  readonly config: LoadedConfig;
  /** `path`: `push.apns.apps[0].key` or `push.apns.apps.0.key`. */
  readonly mistakes: (found: readonly { readonly path: string; readonly message: string }[]) => ConfigFileError;
}

export function loadConfig(file: string, schemaOf: SchemaOf, env: NodeJS.ProcessEnv = process.env): LoadedConfig {
  return readConfig(file, schemaOf, env).config;
}

export function readConfig(file: string, schemaOf: SchemaOf, env: NodeJS.ProcessEnv = process.env): ConfigFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ConfigFileError(file, [{ line: 1, column: 1, path: '', message: `cannot read the file (${code})` }]);
  }
  return parseFile(file, text, schemaOf, env);
}

/** A `type` that the file gives, or the name that stands for it. */
export interface NamedType {
  readonly kind: AdapterKind;
  readonly type: string;
  readonly line: number;
  readonly column: number;
  /** `push.ntfy.type` */
  readonly path: string;
}

/** Which adapters the file names, whatever else is wrong with it. A file that cannot be read names none: `loadConfig` says so. */
export function typesIn(file: string): readonly NamedType[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  const counter = new LineCounter();
  let doc: Document;
  try {
    doc = parseDocument(text, { lineCounter: counter });
  } catch {
    return [];
  }
  const at = (kind: AdapterKind, path: readonly string[]): NamedType[] => {
    const type: unknown = doc.hasIn([...path, 'type']) ? doc.getIn([...path, 'type']) : undefined;
    if (typeof type !== 'string') return [];
    return [{ kind, type, path: [...path, 'type'].join('.'), ...position(doc, counter, [...path, 'type']) }];
  };
  const names = (kind: AdapterKind): string[] => {
    const entries: unknown = doc.get(kind);
    const items = entries && typeof entries === 'object' && 'items' in entries ? (entries.items as unknown[]) : [];
    return items.flatMap((item) => (isPair(item) && isScalar(item.key) ? [String(item.key.value)] : []));
  };
  try {
    const many = (['events', 'pbx', 'push'] as const).flatMap((kind) =>
      names(kind).flatMap((name) => at(kind, [kind, name])),
    );
    return [...at('store', ['store']), ...many];
  } catch {
    // A file whose form is this wrong is refused by `loadConfig`, with the place.
    return [];
  }
}

export function parseConfig(file: string, text: string, schemaOf: SchemaOf, env: NodeJS.ProcessEnv = {}): LoadedConfig {
  return parseFile(file, text, schemaOf, env).config;
}

/** The parser calls itself at each level, and so does whoever goes through what it has read. */
function parseFile(file: string, text: string, schemaOf: SchemaOf, env: NodeJS.ProcessEnv = {}): ConfigFile {
  try {
    return parseNested(file, text, schemaOf, env);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const message = 'nested too deeply to be read: expected a few levels, as `pushwake init` writes them';
    throw new ConfigFileError(file, [{ line: 1, column: 1, path: '', message }]);
  }
}

function parseNested(file: string, text: string, schemaOf: SchemaOf, env: NodeJS.ProcessEnv): ConfigFile {
  const counter = new LineCounter();
  const doc = parseDocument(text, { lineCounter: counter, uniqueKeys: true });
  const mistakes: Mistake[] = formMistakes(doc, text, counter).map((found) => ({ ...found, path: '' }));
  if (mistakes.length > 0) throw new ConfigFileError(file, mistakes);
  const aliases = aliasMistakes(doc, counter);
  if (aliases.length > 0) throw new ConfigFileError(file, aliases);
  substitute(doc, counter, mistakes, env);
  const unreplaced = new Set(mistakes.map(placeOf));
  const root = configSchema.safeParse(doc.toJS() ?? {});
  if (!root.success) mistakes.push(...issues(root.error, [], doc, counter, () => fileSchema(schemaOf)));
  const fromEnvironment = environmentProxy(env);
  const raw = (root.success ? root.data : (doc.toJS() ?? {})) as Partial<Record<AdapterKind, unknown>>;
  const adapters = {
    store: one('store', ['store'], raw.store, 'sqlite'),
    pbx: many('pbx', raw.pbx),
    push: withProxies(raw.push),
    events: many('events', raw.events, 'webhook'),
  };
  if (root.success && root.data.http.devices?.phone && adapters.push.webpush?.type !== 'webpush') {
    const path = ['http', 'devices', 'phone'];
    mistakes.push({ ...position(doc, counter, path), path: path.join('.'), message: PHONE_NEEDS_WEBPUSH });
  }
  if (mistakes.length > 0 || !root.success) {
    // What a missing variable stands for cannot be in the right form either: that is one mistake, not two.
    const told = mistakes.filter((m) => m.path === '' || !unreplaced.has(placeOf(m)));
    throw new ConfigFileError(
      file,
      told.sort((a, b) => a.line - b.line || a.column - b.column),
    );
  }
  return {
    config: { ...root.data, ...adapters },
    mistakes: (all) =>
      new ConfigFileError(
        file,
        all.map(({ path, message }) => {
          const steps = path.replace(/\[(\d+)\]/g, '.$1').split('.');
          return { ...position(doc, counter, steps), path: steps.join('.'), message };
        }),
      ),
  };

  /** The nearest counts: that of the service, `push.proxy`, the environment, which is not asked where one of them is given. */
  function withProxies(section: unknown): Record<string, AdapterConfig> {
    const { proxy: ofAll, ...entries } = (section ?? {}) as Record<string, unknown>;
    const except = 'mistake' in fromEnvironment ? [] : fromEnvironment.except;
    let isEnvironmentAsked = false;
    const proxyFor = (service: string, value: unknown): HttpProxy | undefined => {
      const own: unknown = value === null || typeof value !== 'object' ? undefined : Reflect.get(value, 'proxy');
      const [given, from] = own === undefined ? [ofAll, 'push.proxy'] : [own, `push.${service}.proxy`];
      if (given !== undefined) {
        const parsed = proxySchema.safeParse(given);
        if (parsed.success) return proxyOf(parsed.data, from, except);
        // That of `push` itself is refused with the whole file.
        if (own !== undefined) {
          const schema = () => ({});
          mistakes.push(...issues(parsed.error, ['push', service, 'proxy'], doc, counter, schema));
        }
        return undefined;
      }
      isEnvironmentAsked = true;
      return 'mistake' in fromEnvironment ? undefined : fromEnvironment.proxy;
    };
    // No adapter knows of the key.
    const bare = Object.entries(entries).map(([service, value]) => [service, withoutProxy(value)]);
    const made = Object.fromEntries(
      Object.entries(many('push', Object.fromEntries(bare))).map(([service, of]) => {
        const proxy = proxyFor(service, entries[service]);
        return [service, proxy ? { ...of, proxy } : of];
      }),
    );
    if (isEnvironmentAsked && 'mistake' in fromEnvironment) {
      mistakes.push({ ...position(doc, counter, ['push']), path: '', message: fromEnvironment.mistake });
    }
    return made;
  }

  /** Without `type` an entry is of `fallback`, or of the type it is named like. */
  function many(kind: AdapterKind, entries: unknown, fallback?: string): Record<string, AdapterConfig> {
    if (entries === null || typeof entries !== 'object' || Array.isArray(entries)) return {};
    return Object.fromEntries(
      Object.entries(entries).map(([name, value]) => [name, one(kind, [kind, name], value, fallback ?? name)]),
    );
  }

  function one(kind: AdapterKind, path: string[], value: unknown, fallback: string): AdapterConfig {
    if (value === null || typeof value !== 'object') return { type: fallback, options: {} };
    const { type = fallback, ...options } = value as { type?: string };
    const schema = schemaOf(kind, type);
    if (!schema) {
      const at = position(doc, counter, [...path, 'type']);
      const types = schemaOf.types(kind);
      const meant = nearest(String(type), types);
      const expected = `expected \`type\` to be one of ${types.join(', ')}${meant ? `; did you mean ${meant}?` : ''}`;
      mistakes.push({ ...at, path: [...path, 'type'].join('.'), message: expected });
      return { type: String(type), options };
    }
    const parsed = schema.safeParse(options);
    if (!parsed.success) {
      const schema = () => adapterSchema(schemaOf, kind, type) as JsonSchema;
      mistakes.push(...issues(parsed.error, path, doc, counter, schema));
    }
    return { type, options: parsed.success ? parsed.data : options };
  }
}

function withoutProxy(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  const { proxy: _, ...options } = value as { proxy?: unknown };
  return options;
}

/** `*name` without quotes is an alias of YAML: a text an administrator means, such as `*@example.com`, is found nowhere. */
function aliasMistakes(doc: Document, counter: LineCounter): Mistake[] {
  const found: Mistake[] = [];
  visit(doc, {
    Alias(_key, node) {
      if (node.resolve(doc) !== undefined) return;
      const at = lineColumn(counter, node.range?.[0] ?? 0);
      found.push({ ...at, path: '', message: STAR });
    },
  });
  if (found.length > 0) return found;
  try {
    doc.toJS();
    return [];
  } catch {
    return [{ line: 1, column: 1, path: '', message: 'its aliases (*name) cannot be followed; write the values out' }];
  }
}

const PHONE_NEEDS_WEBPUSH =
  'needs a push service `webpush` of this type, by which a browser is woken: `push: { webpush: { subject: mailto:…, privateKey: … } }`; `pushwake vapid-keys` makes the key';

const placeOf = (m: Mistake): string => `${m.line}:${m.column}`;

const PLACEHOLDER = /\$\{([^}]*)\}/g;
/** Where systemd keeps the credentials of the shipped unit: a command in a shell reads there what the service is given in its environment. */
const CREDENTIALS = '/run/credentials/pushwake.service';
const CREDENTIAL = /^[\w.-]{1,255}$/;

function substitute(doc: Document, counter: LineCounter, mistakes: Mistake[], env: NodeJS.ProcessEnv): void {
  visit(doc, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return;
      node.value = node.value.replace(PLACEHOLDER, (whole, inner: string) => {
        const fail = (message: string): string => {
          mistakes.push({ ...lineColumn(counter, node.range?.[0] ?? 0), path: '', message });
          return whole;
        };
        const [, kind, name = ''] = /^(file|credential):(.*)$/s.exec(inner) ?? [];
        if (kind === 'credential' && !CREDENTIAL.test(name)) {
          return fail('credential: the name that LoadCredential gives it, letters, digits and . _ -');
        }
        const folder = env.CREDENTIALS_DIRECTORY ?? CREDENTIALS;
        if (inner === 'CREDENTIALS_DIRECTORY') return folder;
        if (kind === undefined) return env[inner] ?? fail(`environment variable ${inner} is not set`);
        const path = kind === 'file' ? name : `${folder}/${name}`;
        try {
          return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
        } catch (error) {
          const { code = 'unreadable' } = error as NodeJS.ErrnoException;
          const hint = kind === 'credential' ? '; it is there while the service runs, and for root' : '';
          return fail(`cannot read ${path} (${code})${hint}`);
        }
      });
    },
  });
}

/** `schema`: of what stands at `prefix`, made only if a key is to be suggested. */
function issues(
  error: z.ZodError,
  prefix: readonly string[],
  doc: Document,
  counter: LineCounter,
  schema: () => JsonSchema,
): Mistake[] {
  return error.issues.flatMap(meantForm).flatMap((issue) => {
    const below = issue.path.map(String);
    const path = [...prefix, ...below];
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema(), below);
      return issue.keys.map((key) => {
        const meant = nearest(key, known);
        return {
          ...keyPosition(doc, counter, path, key),
          path: [...path, key].join('.'),
          message: `unknown key${meant ? `; did you mean ${meant}?` : `; known here: ${known.join(', ')}`}`,
        };
      });
    }
    const value: unknown = doc.getIn(path.map(step));
    const plain = isNode(value) ? value.toJS(doc) : value;
    const at =
      issue.code === 'invalid_key' ? keyPosition(doc, counter, path.slice(0, -1), path.at(-1) ?? '') : undefined;
    return [{ ...(at ?? position(doc, counter, path)), path: path.join('.'), message: inWords(issue, plain) }];
  });
}

/** Of a value that may have several forms: what is wrong with the one it was meant to have, where only one is of its kind. */
function meantForm(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const isOtherKind = (of: readonly z.core.$ZodIssue[]) =>
    of.some(({ code, path }) => code === 'invalid_type' && path.length === 0);
  const [meant, ...more] = issue.errors.filter((of) => !isOtherKind(of));
  if (!meant || more.length > 0) return [issue];
  return meant.flatMap((inner) => meantForm({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** Where the value at `path` stands; where there is none, its nearest parent. */
function position(doc: Document, counter: LineCounter, path: readonly string[]): { line: number; column: number } {
  for (let n = path.length; n > 0; n--) {
    const node = doc.getIn(path.slice(0, n).map(step), true);
    if (isNode(node) && node.range) return lineColumn(counter, node.range[0]);
  }
  return { line: 1, column: 1 };
}

function keyPosition(
  doc: Document,
  counter: LineCounter,
  path: readonly string[],
  key: string,
): { line: number; column: number } {
  const map = path.length === 0 ? doc.contents : doc.getIn(path.map(step), true);
  const items = map && typeof map === 'object' && 'items' in map ? (map.items as unknown[]) : [];
  const pair = items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key);
  const range = isPair(pair) && isScalar(pair.key) ? pair.key.range : undefined;
  return range ? lineColumn(counter, range[0]) : position(doc, counter, path);
}

const step = (part: string): string | number => (/^\d+$/.test(part) ? Number(part) : part);

function lineColumn(counter: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = counter.linePos(offset);
  return { line, column: col };
}

/** Whether what is written to stdout goes to the journal of systemd, which names its socket (`JOURNAL_STREAM`, systemd.exec(5)). */
export function writesToJournal(env: NodeJS.ProcessEnv = process.env, stdout = 1): boolean {
  if (!env.JOURNAL_STREAM) return false;
  try {
    const { dev, ino } = fstatSync(stdout);
    return env.JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** What systemd passes to a service in its environment (sd_notify(3), sd_watchdog_enabled(3)). */
export function serviceManager(env: NodeJS.ProcessEnv = process.env): { listens: boolean; watchdogMs?: number } {
  const watchdogMs = Number(env.WATCHDOG_USEC) / 1_000;
  return { listens: Boolean(env.NOTIFY_SOCKET), ...(watchdogMs > 0 && { watchdogMs }) };
}
