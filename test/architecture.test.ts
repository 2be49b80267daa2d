import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { breaches, readSources, type SourceFile } from './support/architecture.ts';
import { arrows, withPicture } from './support/rooms.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const file = (path: string, text: string): SourceFile => ({ path, text });

/** A package that stands in both lists is one of development for npm, and is not in what we deliver. */
test('every package that the program imports is delivered with it', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  // What the browser gets is bundled; its packages are delivered as a part of it (ADR 0144).
  const ours = readSources(ROOT).filter(({ path }) => !path.startsWith('plugin/phone/'));
  const imported = ours.flatMap(({ text }) =>
    [...text.matchAll(/^(?:import|export)[^'"]*? from '((?:@[\w-]+\/)?[\w-]+)(?:\/[^']*)?';$/gms)].map(
      (m) => m[1] as string,
    ),
  );
  const packages = [...new Set(imported)].filter((name) => lock[`node_modules/${name}`]);
  expect(packages).toContain('ws');
  for (const name of packages) {
    expect(dependencies).toHaveProperty([name]);
    expect(devDependencies).not.toHaveProperty([name]);
    expect(lock[`node_modules/${name}`].dev, `${name} is marked as one of development`).toBeUndefined();
  }
});

describe('the rooms', () => {
  const sources = readSources(fileURLToPath(new URL('..', import.meta.url)));

  test('docs/architecture.md draws them as the imports are (`node test/support/rooms.ts` draws them anew)', () => {
    const page = readFileSync(new URL('../docs/architecture.md', import.meta.url), 'utf8');
    expect(withPicture(page, sources)).toBe(page);
  });

  test('the arrows of the runtime run one way: no room reaches one that reaches it', () => {
    const all = arrows(sources);
    const reach = (room: string, seen = new Set<string>()): Set<string> => {
      for (const next of all.get(room) ?? []) {
        if (next.startsWith('runtime') && !seen.has(next)) reach(next, seen.add(next));
      }
      return seen;
    };
    for (const room of all.keys()) if (room.startsWith('runtime')) expect([...reach(room)], room).not.toContain(room);
  });
});

describe('exports', () => {
  const all = ['plugin', 'adapters', 'config', 'test'].flatMap((top) =>
    globSync(`${top}/**/*.ts`, { cwd: ROOT }).map((path) => file(path, readFileSync(join(ROOT, path), 'utf8'))),
  );
  /** Functions, classes and constants that no other file names. */
  const unused = (files: readonly SourceFile[]): string[] =>
    files
      .filter(({ path }) => !path.startsWith('test/'))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/^export (?:async )?(?:function\*?|const|class) (\w+)/gm)]
          .map((m) => m[1] as string)
          .filter((name) => !files.some((f) => f.path !== path && new RegExp(`\\b${name}\\b`).test(f.text)))
          .map((name) => `${path}: ${name}`),
      );

  test('are used by some other file', () => {
    expect(unused(all)).toEqual([]);
  });

  test('would be found when they are not (control)', () => {
    const here = file('plugin/core/a.ts', 'export function used() {}\nexport const forgotten = 1;');
    expect(unused([here, file('plugin/core/b.ts', "import { used } from './a.ts';")])).toEqual([
      'plugin/core/a.ts: forgotten',
    ]);
  });
});

describe('the dependency rule', () => {
  test('holds for the sources', () => {
    expect(breaches(readSources(fileURLToPath(new URL('..', import.meta.url))))).toEqual([]);
  });

  const wrong: [string, SourceFile[], RegExp][] = [
    ['the core takes an npm package', [file('plugin/core/a.ts', "import { z } from 'zod';")], /must not import zod/],
    [
      'the core reads a file',
      [file('plugin/core/a.ts', "import { readFileSync } from 'node:fs';")],
      /must not import node:fs/,
    ],
    [
      'the core takes more of crypto',
      [file('plugin/core/a.ts', "import { randomBytes } from 'node:crypto';")],
      /createHash/,
    ],
    ['the core reads the clock', [file('plugin/core/a.ts', 'export const t = Date.now();')], /Date\.now belongs/],
    [
      'the runtime takes an adapter',
      [
        file('plugin/runtime/a.ts', "import { x } from '../../adapters/push/log/index.ts';"),
        file('adapters/push/log/index.ts', ''),
      ],
      /must not import adapters/,
    ],
    [
      'one adapter takes another',
      [file('adapters/push/apns/a.ts', "import { x } from '../log/index.ts';"), file('adapters/push/log/index.ts', '')],
      /must not import adapters\/push\/log/,
    ],
    [
      'an SDK outside its folder',
      [file('adapters/push/log/a.ts', "import ari from 'ari-client';")],
      /known to adapters\/pbx\/asterisk/,
    ],
    [
      'the page of the phone takes what is no part of a browser',
      [file('plugin/phone/a.ts', "import { readFileSync } from 'node:fs';")],
      /must not import node:fs/,
    ],
    [
      'the page of the phone takes a file of the server',
      [file('plugin/phone/a.ts', "import { x } from '../core/b.ts';"), file('plugin/core/b.ts', '')],
      /must not import plugin\/core/,
    ],
    [
      'the server takes a file of the page',
      [file('plugin/app/a.ts', "import { x } from '../phone/b.ts';"), file('plugin/phone/b.ts', '')],
      /which is for the browser/,
    ],
    [
      'a port takes a value of the core',
      [file('plugin/ports/a.ts', "import { x } from '../core/b.ts';"), file('plugin/core/b.ts', '')],
      /types of the core only/,
    ],
    [
      'a verdict that does not come home through the intake',
      [file('plugin/runtime/calls/a.ts', "export const e = { type: 'TokenDied', bindingId, token };")],
      /TokenDied is built in plugin\/runtime\/intake\.ts only/,
    ],
    [
      'a contact that does not come home through the intake',
      [file('adapters/pbx/asterisk/a.ts', "emit({ type: 'ContactSeen', live: true });")],
      /ContactSeen is built in/,
    ],
    [
      'an inner file of a room with a door',
      [
        file('plugin/http/a.ts', "import type { Draft } from '../core/lifecycle/draft.ts';"),
        file('plugin/core/lifecycle/draft.ts', ''),
      ],
      /imported through plugin\/core\/lifecycle\.ts only/,
    ],
    [
      'a room of the runtime that reaches up',
      [
        file('plugin/runtime/push/a.ts', "import type { X } from '../calls/b.ts';"),
        file('plugin/runtime/calls/b.ts', ''),
      ],
      /plugin\/runtime\/push must not use plugin\/runtime\/calls/,
    ],
    [
      'a cycle',
      [
        file('plugin/core/a.ts', "import { b } from './b.ts';"),
        file('plugin/core/b.ts', "import { a } from './a.ts';"),
      ],
      /cycle/,
    ],
    [
      'somebody imports main',
      [file('plugin/runtime/a.ts', "import { x } from '../main.ts';"), file('plugin/main.ts', '')],
      /nothing imports/,
    ],
    [
      'the environment is read elsewhere',
      [file('plugin/runtime/a.ts', 'export const e = process.env.HOME;')],
      /process\.env/,
    ],
    ['somebody else ends the process', [file('plugin/runtime/a.ts', 'process.exit(1);')], /ends the process/],
    ['a file without a place', [file('plugin/helpers/a.ts', '')], /no rule says/],
    ['an import of nothing', [file('plugin/core/a.ts', "import { b } from './gone.ts';")], /does not exist/],
  ];
  test.each(wrong)('is broken when %s', (_what, files, message) => {
    expect(breaches(files).join('\n')).toMatch(message);
  });

  test('does not take a comment for code', () => {
    expect(breaches([file('plugin/core/a.ts', '// Date.now is not for us\nexport const a = 1;')])).toEqual([]);
  });
});
