/**
 * The dependency rule of docs/architecture.md, enforced: who may import whom, where time and chance may be read, one
 * folder per SDK, no cycles. `npm run architecture` prints every breach; `test/architecture.test.ts` shows that each can be found.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SourceFile {
  /** From the project's top, with `/`. */
  readonly path: string;
  readonly text: string;
}

const SCHEMA = ['zod'];

interface Rule {
  readonly of: RegExp;
  /** Project folders it may import from, besides its own; `$1` and `$2` are groups of `of`. */
  readonly folders: readonly string[];
  readonly packages: readonly string[] | 'any';
  /** Node's own modules it may use. */
  readonly builtins: readonly string[] | 'any';
}

/** First rule that fits. */
const RULES: readonly Rule[] = [
  { of: /^plugin\/core\//, folders: ['plugin/core/'], packages: [], builtins: ['node:crypto'] },
  // The simulation plays the part of PBX and push services itself: what it makes up goes through the same door.
  {
    of: /^plugin\/simulate\//,
    folders: ['plugin/simulate/', 'plugin/core/', 'plugin/runtime/intake.ts'],
    packages: [],
    builtins: [],
  },
  // The page of the browser's phone: no part of what runs here, and bundled with the one package that it takes.
  { of: /^plugin\/phone\//, folders: ['plugin/phone/'], packages: ['jssip', 'idb-keyval'], builtins: [] },
  { of: /^plugin\/ports\//, folders: ['plugin/ports/', 'plugin/core/'], packages: [], builtins: [] },
  {
    of: /^plugin\/(runtime|http)\//,
    folders: ['plugin/$1/', 'plugin/core/', 'plugin/ports/'],
    packages: ['fastify', '@fastify/formbody', '@fastify/rate-limit', '@fastify/swagger', 'prom-client'],
    builtins: ['node:crypto'],
  },
  {
    of: /^plugin\/((main|cli|manifest|sdk)\.ts$|(app|commands)\/)/,
    folders: ['plugin/', 'adapters/', 'config/'],
    packages: 'any',
    builtins: 'any',
  },
  // What the adapters of one kind share lies in the folder of the kind (ADR 0003).
  {
    of: /^adapters\/(\w+)\/[^/]+$/,
    folders: ['adapters/$1/', 'adapters/shared/', 'plugin/core/', 'plugin/ports/'],
    packages: SCHEMA,
    builtins: 'any',
  },
  {
    of: /^adapters\/(\w+)\/(\w+)\//,
    folders: [
      'adapters/$1/$2/',
      'adapters/shared/',
      // ADR 0003: files beside the folders are what the adapters of a kind share.
      ...[
        'supervised-worker',
        'real-time',
        'bad-tokens',
        'cut-to-fit',
        'waiting',
        'payload-profile',
        'payload-template',
        'https-client',
        'verdicts',
        'proxy-verdicts',
        'http-provider',
        'watched-file',
        'row-text',
      ].map((f) => `adapters/$1/${f}.ts`),
      'plugin/core/',
      'plugin/ports/',
    ],
    packages: 'any',
    builtins: 'any',
  },
  {
    of: /^config\//,
    folders: ['config/', 'plugin/core/', 'plugin/ports/config-error.ts'],
    packages: ['yaml', ...SCHEMA],
    builtins: 'any',
  },
];

/** Each SDK is known to one folder. */
const SDK_HOME: Readonly<Record<string, string>> = {
  'ari-client': 'adapters/pbx/asterisk/',
  modesl: 'adapters/pbx/freeswitch/',
  '@parse/node-apn': 'adapters/push/apns/',
  'firebase-admin': 'adapters/push/fcm/',
  'google-auth-library': 'adapters/push/fcm/',
  'web-push': 'adapters/push/webpush/',
  '@keyv/redis': 'adapters/store/redis/',
  keyv: 'adapters/store/',
  'node:sqlite': 'adapters/store/sqlite/',
  fastify: 'plugin/http/',
  '@fastify/formbody': 'plugin/http/',
  '@fastify/rate-limit': 'plugin/http/',
  '@fastify/swagger': 'plugin/http/',
  'prom-client': 'plugin/http/',
  jssip: 'plugin/phone/',
  'idb-keyval': 'plugin/phone/',
  esbuild: 'plugin/app/phone-bundle.ts',
  'qrcode-generator': 'plugin/commands/',
};

/**
 * Where the machine's own time may be read. The clock adapter is its home; workers are threads of their own that watch each
 * other in real milliseconds, whatever clock the bindings live by; the process must end although its clock is a test's.
 */
const REAL_TIME = [
  'adapters/clock/',
  'adapters/pbx/supervised-worker.ts',
  'adapters/pbx/real-time.ts',
  'adapters/pbx/asterisk/dial-out/standby.ts',
  'adapters/pbx/freeswitch/link.ts',
  'adapters/pbx/freeswitch/connection.ts',
  'adapters/store/sqlite/',
  'plugin/main.ts',
  // A browser has no other.
  'plugin/phone/',
];
/** Programs of ours that make packages and the site: they are no part of what runs, and are told by the environment as build tools are. */
const BUILD_TOOLS = ['config/release/', 'config/site/'];
const TIME_AND_CHANCE =
  /\b(?:Date\.now|performance\.now|Math\.random|setTimeout|setInterval|setImmediate|new Date\(\))/;

/** The one way home: nothing else makes these facts of what came from outside, so that no verdict passes the brake by. */
const INTAKE = 'plugin/runtime/intake.ts';
const BUILDS_A_FACT = /(?<!readonly )\btype: '(TokenDied|ContactSeen)'(?! \})/;

/**
 * Rooms with a door: what lies in the folder is imported by its neighbours in it and by the door; everybody else imports the
 * door. Types and tables that a room means for others stand after it.
 */
const DOORS: readonly { readonly room: string; readonly door: string; readonly open: readonly string[] }[] = [
  { room: 'plugin/core/lifecycle/', door: 'plugin/core/lifecycle.ts', open: [] },
];

/** Which room of the runtime may use which. What is not listed is refused; `runtime.ts`, `compose.ts` and `operator.ts` join them. */
const RUNTIME_ARROWS: Readonly<Record<string, readonly string[]>> = {
  'app-test': ['calls', 'pbx', 'push', 'intake.ts'],
  bindings: ['push', 'intake.ts'],
  calls: ['bindings', 'push', 'intake.ts'],
  pbx: [],
  push: [],
  status: ['bindings', 'calls', 'pbx', 'push', 'webhooks'],
  webhooks: [],
  'intake.ts': [],
};

/** The composition root: `main.ts`, what it is cut into (`app/`), and one file per command, which `cli.ts` lists. */
const OF_THE_ROOT = /^plugin\/(main\.ts|(app|commands)\/.*)$/;
const MAY_IMPORT_THE_ROOT = /^plugin\/(main\.ts|cli\.ts|(app|commands)\/.*)$/;

/** Types and globals of another world: it is bundled, not imported. */
const BROWSER = 'plugin/phone/';

export function breaches(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  const known = new Set(files.map((f) => f.path));
  const edges = new Map<string, string[]>();
  for (const file of files) {
    const rule = RULES.find((r) => r.of.test(file.path));
    if (!rule) {
      found.push(`${file.path}: no rule says where this belongs`);
      continue;
    }
    const groups = rule.of.exec(file.path) ?? [];
    const folders = rule.folders.map((f) => f.replace('$1', groups[1] ?? '').replace('$2', groups[2] ?? ''));
    for (const { specifier, typeOnly } of importsOf(file.text)) {
      if (specifier.startsWith('.')) {
        const target = relative('/', resolve('/', dirname(file.path), specifier));
        if (!known.has(target) && !target.endsWith('.json'))
          found.push(`${file.path}: imports ${target}, which does not exist`);
        if (!folders.some((folder) => target.startsWith(folder))) found.push(`${file.path}: must not import ${target}`);
        if (!MAY_IMPORT_THE_ROOT.test(file.path) && OF_THE_ROOT.test(target))
          found.push(`${file.path}: nothing imports ${target}`);
        if (target.startsWith(BROWSER) && !file.path.startsWith(BROWSER))
          found.push(`${file.path}: nothing imports ${target}, which is for the browser`);
        if (target === 'plugin/cli.ts') found.push(`${file.path}: nothing imports ${target}`);
        if (file.path.startsWith('plugin/ports/') && !typeOnly && target.startsWith('plugin/core/')) {
          found.push(`${file.path}: ports take types of the core only`);
        }
        const closed = DOORS.find((d) => target.startsWith(d.room) && !file.path.startsWith(d.room));
        if (closed && file.path !== closed.door && !closed.open.includes(target))
          found.push(`${file.path}: ${target} is imported through ${closed.door} only`);
        const [from, to] = [roomOf(file.path), roomOf(target)];
        if (from && to && from !== to && RUNTIME_ARROWS[from] && !RUNTIME_ARROWS[from].includes(to))
          found.push(`${file.path}: plugin/runtime/${from} must not use plugin/runtime/${to}`);
        if (!typeOnly) edges.set(file.path, [...(edges.get(file.path) ?? []), target]);
        continue;
      }
      const builtin = specifier.startsWith('node:') || builtinModules.includes(specifier);
      const name = builtin ? specifier : packageName(specifier);
      const allowed = builtin ? rule.builtins : rule.packages;
      if (allowed !== 'any' && !allowed.includes(name)) found.push(`${file.path}: must not import ${name}`);
      const home = SDK_HOME[name];
      if (home && !file.path.startsWith(home)) found.push(`${file.path}: ${name} is known to ${home} only`);
    }
    if (file.path.startsWith('plugin/core/') && /from 'node:crypto'/.test(file.text)) {
      const names = /import \{([^}]*)\} from 'node:crypto'/
        .exec(file.text)?.[1]
        ?.split(',')
        .map((n) => n.trim());
      if (names?.some((n) => n !== 'createHash' && n !== 'hash'))
        found.push(`${file.path}: the core takes createHash and hash of node:crypto only`);
    }
    const code = withoutComments(file.text);
    if (!REAL_TIME.some((p) => file.path.startsWith(p)) && TIME_AND_CHANCE.test(code)) {
      found.push(`${file.path}: ${TIME_AND_CHANCE.exec(code)?.[0]} belongs to the clock adapter`);
    }
    if (file.path !== INTAKE && file.path !== 'plugin/core/events.ts' && BUILDS_A_FACT.test(code)) {
      found.push(`${file.path}: ${BUILDS_A_FACT.exec(code)?.[1]} is built in ${INTAKE} only`);
    }
    const isTool = BUILD_TOOLS.some((folder) => file.path.startsWith(folder));
    if (/\bprocess\.env\b/.test(code) && file.path !== 'config/load.ts' && !isTool)
      found.push(`${file.path}: process.env is read in config/load.ts only`);
    if (
      /\bprocess\.exit\(/.test(code) &&
      file.path !== 'plugin/main.ts' &&
      !isTool &&
      !/\/(link|worker)\.ts$/.test(file.path)
    ) {
      found.push(`${file.path}: only plugin/main.ts ends the process`);
    }
  }
  return [...found, ...cycles(edges)];
}

/** Files of the project that a file imports. */
export function importsIn(file: SourceFile): string[] {
  return importsOf(file.text)
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier }) => relative('/', resolve('/', dirname(file.path), specifier)))
    .filter((target) => !target.endsWith('.json'));
}

/** The room of a file of the runtime: its folder, or the file itself. */
function roomOf(path: string): string | undefined {
  return /^plugin\/runtime\/([^/]+)/.exec(path)?.[1];
}

function importsOf(text: string): { specifier: string; typeOnly: boolean }[] {
  const statements = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
  const found = [...text.matchAll(statements)].map((m) => {
    const braces = /\{([^}]*)\}/
      .exec(m[0])?.[1]
      ?.split(',')
      .map((s) => s.trim())
      .filter(Boolean);
    const onlyTypes = braces !== undefined && braces.length > 0 && braces.every((s) => s.startsWith('type '));
    return { specifier: m[2] as string, typeOnly: m[1] !== undefined || onlyTypes };
  });
  return [
    ...found,
    ...[...text.matchAll(/\bimport\('([^']+)'\)/g)].map((m) => ({ specifier: m[1] as string, typeOnly: false })),
  ];
}

const packageName = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/\s\/\/ .*$/gm, '');
}

function cycles(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      found.push(`cycle: ${[...trail.slice(at), path].join(' → ')}`);
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

export function readSources(root: string): SourceFile[] {
  return ['plugin', 'adapters', 'config'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
      .filter((f) => f.endsWith('.ts') && !f.endsWith('.d.ts'))
      .map((f) => ({ path: join(top, f), text: readFileSync(join(root, top, f), 'utf8') })),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = breaches(readSources(fileURLToPath(new URL('../..', import.meta.url))));
  for (const breach of found) process.stdout.write(`${breach}\n`);
  process.stdout.write(
    found.length === 0 ? 'architecture: the dependency rule holds\n' : `architecture: ${found.length} breaches\n`,
  );
  process.exitCode = found.length === 0 ? 0 : 1;
}
