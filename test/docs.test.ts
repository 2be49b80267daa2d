/**
 * The documentation and the manifest say what is there: paths, commands, YAML examples, adapters. A page that names what
 * was renamed fails here.
 */
import { existsSync, globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { ConfigError, parseConfig } from '../config/load.ts';
import { adapters, schemasOf } from '../plugin/app/adapters.ts';
import { buildProgram } from '../plugin/commands/program.ts';
import { readManifest } from '../plugin/manifest.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const pages = ['README.md', 'CHANGELOG.md', ...globSync('docs/**/*.md', { cwd: ROOT })];
const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;

/** Paths of the project that a text names: in backticks or as a link, by their first folder or their ending. */
function pathsIn(text: string, page: string): string[] {
  const quoted = [...text.matchAll(/`([\w.@*/-]+)`/g)]
    .map((m) => m[1] as string)
    .filter((p) => /^(plugin|adapters|config|test|docs|\.ci)\//.test(p));
  // A section of pjsip.conf that uses a template looks like a link: [1001](account).
  const prose = text.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, '');
  const linked = [...prose.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map((m) => m[1] as string)
    .filter((p) => !/^[a-z]+:/.test(p))
    .map((p) => join(dirname(page), p));
  return [...new Set([...quoted, ...linked])];
}

/** Names after `npm run`; `npm test` and `npm start` as well. */
function scriptsIn(text: string): string[] {
  const named = [...text.matchAll(/\bnpm run ([a-z][\w:-]*)/g)].map((m) => m[1] as string);
  const short = [...text.matchAll(/\bnpm (test|start)\b/g)].map((m) => m[1] as string);
  return [...new Set([...named, ...short])];
}

/** The text of each fenced block of a language; a block within a list is indented. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^ *\`\`\``, 'gm'))].map((m) =>
    (m[2] as string).replaceAll(new RegExp(`^${m[1]}`, 'gm'), ''),
  );
}

/** Printed by the demo and by the help of `simulate`; nothing to type. */
const SENTENCES = ['is killed (SIGKILL) while a call waits', 'down from <when> [to <when>]'];

/** What a text shows to type after `pushwake`: in fenced or indented blocks, and in backticks. A line that ends in a backslash goes on. */
function commandLines(text: string): string[] {
  const fenced = [...text.matchAll(/^( *)```(?!ya?ml)\w*\n([\s\S]*?)^\1```/gm)].map((m) => m[2] as string);
  const indented = [...text.matchAll(/^(?: {4}|\t).*$/gm)].map((m) => m[0]);
  const typed = [fenced.join(''), indented.join('\n')].flatMap((block) =>
    [
      ...block.replaceAll(/ *\\\n\s*/g, ' ').matchAll(/^\s*(?:\$ |sudo )*(?:npm run pushwake --|pushwake) +(.*)$/gm),
    ].map((m) => m[1] as string),
  );
  const quoted = [...text.matchAll(/`(?:npm run pushwake --|pushwake) +([^`\n]+)`/g)].map((m) => m[1] as string);
  return [...new Set([...typed, ...quoted])].filter((line) => !SENTENCES.includes(line));
}

/** Undefined when the program has that command with those options, else the first word it does not know. */
function unknownWord(line: string): string | undefined {
  const words = line.replace(/\s[#|>].*$/, '').match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  const program = buildProgram();
  let command: Command = program;
  for (const word of words) {
    if (word === '--') break;
    if (word.startsWith('-') && word !== '-') {
      const flag = word.split('=')[0];
      const known = [command, program].flatMap((c) => c.options.flatMap((o) => [o.short, o.long]));
      if (![...known, '-h', '--help'].includes(flag)) return word;
    } else if (command.commands.length > 0 && !/^<.*>$/.test(word)) {
      const next = command.commands.find((c) => c.name() === word || c.aliases().includes(word));
      if (!next) return word;
      command = next;
    }
  }
  return undefined;
}

describe('the documentation', () => {
  it.each(pages)('%s names only what exists', (page) => {
    const text = read(page);
    const missing = pathsIn(text, page).filter((p) => globSync(p, { cwd: ROOT }).length === 0);
    expect(missing, 'paths').toEqual([]);
    expect(
      scriptsIn(text).filter((name) => !(name in scripts)),
      'npm scripts',
    ).toEqual([]);
  });

  it('would notice a path or a command that does not exist (control)', () => {
    expect(
      pathsIn('see `docs/nowhere.md`, [this](docs/gone.md#top) and [that](https://example.com/x)', 'README.md'),
    ).toEqual(['docs/nowhere.md', 'docs/gone.md']);
    expect(pathsIn('[up](../README.md)', 'docs/a.md')).toEqual(['README.md']);
    expect(pathsIn('```sh\n[1001](account)\n```\n\n[b](b.md)', 'README.md')).toEqual(['b.md']);
    expect(scriptsIn('`npm run nothing -- x`, npm test')).toEqual(['nothing', 'test']);
    expect(blocks('1. so:\n\n   ```yaml\n   a:\n     b: 1\n   ```\n', 'yaml')).toEqual(['a:\n  b: 1\n']);
  });

  it.each(pages)('%s shows only commands and options that pushwake has', (page) => {
    const wrong = commandLines(read(page)).filter((line) => unknownWord(line) !== undefined);
    expect(wrong.map((line) => `${line}: ${unknownWord(line)}`)).toEqual([]);
  });

  it('would notice a command or an option that pushwake has not (control)', () => {
    const page =
      '```sh\npushwake init \\\n  --realm a\n```\n\n    npm run pushwake -- bindings list\n\nsee `pushwake explain 1001`';
    expect(commandLines(page)).toEqual(['init --realm a', 'bindings list', 'explain 1001']);
    expect(commandLines(page).map(unknownWord)).toEqual([undefined, undefined, undefined]);
    expect(unknownWord('explian 1001')).toBe('explian');
    expect(unknownWord('bindings lits')).toBe('lits');
    expect(unknownWord('init --relam a')).toBe('--relam');
    expect(pages.flatMap((p) => commandLines(read(p))).length).toBeGreaterThan(20);
  });

  it('README gives the commands CI runs', () => {
    expect(read('README.md')).toContain('    npm ci && npm test\n');
    expect(read('.ci/run').trimEnd().split('\n').at(-1)).toBe('npm ci && npm test');
    expect(statSync(join(ROOT, '.ci/run')).mode & 0o111, 'executable').toBe(0o111);
  });

  it('scripts name files that exist', () => {
    const files = Object.values(scripts).flatMap((s) =>
      [...s.matchAll(/\bnode (\S+\.ts)/g)].map((m) => m[1] as string),
    );
    expect(files.length).toBeGreaterThan(3);
    expect(files.filter((f) => !existsSync(join(ROOT, f)))).toEqual([]);
  });

  it('speaks of the product alone', () => {
    for (const page of pages) {
      expect(read(page), page).not.toMatch(/\/work\/|\/root\/|\/home\/\w|\bissue #?\d+\b|localhost:\d/i);
    }
  });
});

describe('YAML in the documentation', async () => {
  const schemas = schemasOf(await adapters());
  const load = (yaml: string) =>
    parseConfig('example.yaml', yaml.replaceAll(/\$\{[^}]*\}/g, 'a-secret-of-the-documentation'), schemas);
  const examples = pages.flatMap((page) =>
    blocks(read(page), 'ya?ml').map((yaml, i) => [`${page}, block ${i + 1}`, yaml] as const),
  );

  it('has examples', () => expect(examples.length).toBeGreaterThanOrEqual(2));

  it('the shipped pushwake.yaml passes as it is, and with everything its comments show', () => {
    const shipped = read('config/pushwake.yaml');
    expect(load(shipped).mode).toBe('observe');
    // Below that line every comment is YAML behind a "# ".
    const [above = '', below = ''] = shipped.split(/^# What follows are the defaults.*\n/m);
    const shown = above + below.replace(/^# /gm, '');
    expect(shown).toMatch(/^policy:$/m);
    const config = load(shown);
    expect(config.policies).toHaveLength(2);
    expect(config.policy.notices).toEqual([12 * 3_600_000, 3_600_000]);
  });

  it.each(examples)('%s passes the loader', (_, yaml) => {
    const config = load(yaml);
    expect(Object.keys(config.pbx).length).toBeGreaterThan(0);
  });

  it('one with a mistake would not (control)', () => {
    const [, yaml = ''] =
      examples.find(([, text]) => text.includes('teamId: TEAM123456') && text.includes('realm:')) ?? [];
    expect(load(yaml).mode).toBeDefined();
    expect(() => load(yaml.replace('realm:', 'relam:'))).toThrow(ConfigError);
    expect(() => load(yaml.replace('teamId: TEAM123456', 'teamId: short'))).toThrow(ConfigError);
  });
});

describe('plugin.manifest.json', () => {
  const manifest = readManifest();
  const named = Object.entries(manifest.adapters).flatMap(([kind, modules]) =>
    Object.entries(modules).map(([name, path]) => ({ kind: kind as keyof typeof manifest.adapters, name, path })),
  );

  it('has the name and version of the package', () => {
    const { name, version } = JSON.parse(read('package.json')) as { name: string; version: string };
    expect({ name: manifest.name, version: manifest.version }).toEqual({ name, version });
  });

  it.each(named)('$kind $name: the module exists and exports what an adapter must', async ({ kind, path }) => {
    const module = (await import(join(ROOT, path))) as Record<string, unknown>;
    // Clock and service manager are no choice of the administrator: they have no options and are wired by name.
    if (kind === 'clock') return expect(typeof module.systemClock).toBe('function');
    if (kind === 'supervisor') return expect(typeof module.systemd).toBe('function');
    expect(typeof module.create).toBe('function');
    expect(typeof (module.optionsSchema as { safeParse?: unknown } | undefined)?.safeParse).toBe('function');
  });

  it('names every adapter folder, and nothing else', () => {
    const folders = readdirSync(join(ROOT, 'adapters'), { withFileTypes: true })
      .filter((kind) => kind.isDirectory())
      .flatMap((kind) =>
        readdirSync(join(ROOT, 'adapters', kind.name), { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map((entry) => `adapters/${kind.name}/${entry.name}/index.ts`),
      );
    expect(named.map((n) => n.path).sort()).toEqual(folders.sort());
    for (const { kind, name, path } of named) expect(path).toBe(`adapters/${kind}/${name}/index.ts`);
  });

  it('names the files an administrator includes', () => {
    const { hooks } = JSON.parse(read('plugin.manifest.json')) as { hooks: Record<string, string> };
    for (const folder of Object.values(hooks)) expect(readdirSync(join(ROOT, folder)).length).toBeGreaterThan(0);
  });
});

describe('docs/architecture.md', () => {
  it('lists every decision, and has a row for every folder that a rule is about', () => {
    const page = read('docs/architecture.md');
    for (const adr of readdirSync(join(ROOT, 'docs/adr'))) expect(page).toContain(`(adr/${adr})`);
    for (const folder of ['core', 'ports', 'runtime', 'http', 'simulate', 'app', 'commands']) {
      expect(page, folder).toContain(`\`plugin/${folder}\``);
    }
  });
});

describe('the release', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };

  it('has one version: package, lock, manifest, and the latest dated section of the CHANGELOG', () => {
    expect(readManifest().version).toBe(version);
    expect((JSON.parse(read('package-lock.json')) as { version: string }).version).toBe(version);
    const dated = [...read('CHANGELOG.md').matchAll(/^## \[(\d[^\]]*)\] - (\d{4}-\d{2}-\d{2})$/gm)].map((m) => m[1]);
    expect(dated[0]).toBe(version);
  });
});

describe('comments', () => {
  const sources = ['plugin', 'adapters', 'config', 'test'].flatMap((top) => globSync(`${top}/**/*.ts`, { cwd: ROOT }));
  const names = new Set(
    globSync('**/*.{ts,md,yaml,json,conf,xml}', { cwd: ROOT, exclude: ['node_modules/**', 'dist/**'] }).flatMap((f) => [
      f,
      f.split('/').at(-1) as string,
    ]),
  );

  /** Files that the comments of a text name: with an ending of ours, in the sources’ own way of writing. */
  const namedIn = (text: string): string[] =>
    [...text.matchAll(/\/\*\*[\s\S]*?\*\/|^\s*\/\/ .*$/gm)].flatMap(([comment]) =>
      [...comment.matchAll(/(?<![\w.:/-])((?:[\w-]+\/)*[\w-]+\.(?:ts|md))\b/g)].map((m) => m[1] as string),
    );
  const isHere = (name: string) => names.has(name) || [...names].some((known) => known.endsWith(`/${name}`));

  it('name files of this repository', () => {
    const missing = sources
      .filter((path) => path !== 'test/docs.test.ts')
      .flatMap((path) =>
        namedIn(read(path))
          .filter((name) => !isHere(name))
          .map((name) => `${path}: ${name}`),
      );
    expect(missing).toEqual([]);
  });

  it('would be found to name others (control)', () => {
    expect(
      namedIn('/** See nowhere.ts and docs/gone.md. */\nconst x = 1; // not-a-comment-line.ts\n// but old.ts'),
    ).toEqual(['nowhere.ts', 'docs/gone.md', 'old.ts']);
    expect(isHere('nowhere.ts')).toBe(false);
    expect(isHere('core/lifecycle.ts')).toBe(true);
  });
});
