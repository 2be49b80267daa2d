/**
 * Builds the phone for the browser from its sources: `node plugin/app/phone-bundle.ts <sources> <into>`, as `npm run build` does, or in
 * memory where pushwake runs from a checkout. The only file that knows esbuild, which is there for those who build and in no package.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PHONE_FILES } from './phone-files.ts';

/** The bundled program, and the packages that are in it. */
interface Bundle {
  readonly text: Uint8Array;
  readonly packages: readonly string[];
}

/** Every file of `PHONE_FILES`, by name. Throws for a source that is missing or wrong. */
export async function bundlePhone(sources: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const { build, stop } = await import('esbuild');
  const files = new Map<string, Uint8Array>();
  const packages = new Set<string>();
  try {
    for (const [name, { made }] of Object.entries(PHONE_FILES)) {
      if (made === 'copied') files.set(name, readFileSync(join(sources, name)));
      if (made !== 'bundled') continue;
      const bundle = await bundled(build, join(sources, name.replace(/\.js$/, '.ts')));
      files.set(name, bundle.text);
      for (const folder of bundle.packages) packages.add(folder);
    }
  } finally {
    // It would stay as a process of its own beside a pushwake that runs from a checkout.
    await stop();
  }
  files.set('licences.txt', Buffer.from(licencesOf([...packages].sort())));
  return files;
}

async function bundled(build: typeof import('esbuild').build, entry: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [resolve(entry)],
    // Paths of what was bundled are told from here.
    absWorkingDir: dirname(resolve(entry)),
    bundle: true,
    write: false,
    metafile: true,
    // One that is loaded as a classic script too, as some browsers load a service worker.
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    sourcemap: false,
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'silent',
  });
  const inputs = Object.values(metafile.outputs).flatMap((o) => Object.keys(o.inputs));
  const packages = inputs.flatMap((path) => {
    const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(resolve(dirname(entry), path)) ?? [];
    return folder === undefined ? [] : [folder];
  });
  return { text: outputFiles[0]?.contents ?? new Uint8Array(), packages };
}

/** What the authors of the bundled packages ask to be passed on. Throws for a package without a licence: it must not be bundled. */
function licencesOf(folders: readonly string[]): string {
  const parts = folders.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
    if (file === undefined) throw new Error(`${name}: no licence in its package`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return ['The page is part of pushwake (Apache-2.0). Bundled into it:\n', ...parts].join(`\n${'-'.repeat(72)}\n\n`);
}

if (process.argv[1] === import.meta.filename) {
  const [sources = '', into = ''] = process.argv.slice(2);
  rmSync(into, { recursive: true, force: true });
  const files = await bundlePhone(sources);
  mkdirSync(into, { recursive: true });
  for (const [name, body] of files) writeFileSync(join(into, name), body);
}
