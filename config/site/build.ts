/**
 * `npm run site [-- --out folder] [--base /path/] [--sources https://…]`: the documentation as a static site, for any web server. Each
 * version lies in a folder of its own, so that a build of a new one leaves the old ones as they are; `versions.html` lists them.
 *
 * `--out`: default `site`. `--base`: where it will lie, default `/`. `--sources`: address of the project's files at a code host; without
 * it a link to a source file is its text alone.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writePages } from './pages.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(HERE, '../..');
/** VitePress, its packages and our pages; not among the sources, whose checks would read them. */
const WORKSHOP = join(ROOT, '.pushwake/site');
const WORK = join(WORKSHOP, 'pages');

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'site' },
    base: { type: 'string', default: '/' },
    sources: { type: 'string' },
  },
});
if (!/^\/(?:.*\/)?$/.test(values.base)) {
  process.stderr.write(`--base ${values.base}: expected a path with a slash at both ends, like /pushwake/\n`);
  process.exit(2);
}
const out = resolve(values.out);
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

cpSync(HERE, WORKSHOP, { recursive: true });
// What `npm ci` leaves when it is done.
const brought = join(WORKSHOP, 'node_modules/.package-lock.json');
const lock = join(HERE, 'package-lock.json');
if (!existsSync(brought) || statSync(brought).mtimeMs < statSync(lock).mtimeMs) {
  process.stdout.write('bringing VitePress (once, about 100 MB)\n');
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: WORKSHOP, stdio: 'inherit' });
}
writePages(ROOT, WORK, values.sources);
const outDir = join(out, version);
rmSync(outDir, { recursive: true, force: true });
mkdirSync(join(WORK, '.vitepress/theme'), { recursive: true });
const build = { pages: WORK, base: values.base, version, outDir };
writeFileSync(
  join(WORK, '.vitepress/config.mjs'),
  `import { siteOf } from '../../vitepress.ts';\nexport default siteOf(${JSON.stringify(build)});\n`,
);
// The project's own is newer than what VitePress reads.
writeFileSync(join(WORK, 'tsconfig.json'), '{}\n');
writeFileSync(join(WORK, '.vitepress/theme/index.js'), "export { default } from '../../../theme.js';\n");
execFileSync(process.execPath, [join(WORKSHOP, 'node_modules/vitepress/bin/vitepress.js'), 'build', WORK], {
  cwd: WORKSHOP,
  stdio: 'inherit',
});

const versions = readdirSync(out, { withFileTypes: true })
  .filter((e) => e.isDirectory() && existsSync(join(out, e.name, 'index.html')))
  .map((e) => e.name)
  .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
const page = (title: string, head: string, body: string) =>
  `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">\n<title>${title}</title>\n${head}</head>\n<body>\n<main>\n<h1>${title}</h1>\n${body}</main>\n</body>\n</html>\n`;
const rows = versions.map((v) => `<li><a href="${v}/index.html">${v}</a></li>\n`).join('');
writeFileSync(join(out, 'versions.html'), page('pushwake: versions', '', `<ul>\n${rows}</ul>\n`));
writeFileSync(
  join(out, 'index.html'),
  page(
    'pushwake: documentation',
    `<meta http-equiv="refresh" content="0; url=${versions[0]}/index.html">\n`,
    `<p><a href="${versions[0]}/index.html">Version ${versions[0]}</a></p>\n`,
  ),
);
process.stdout.write(`${out}: version ${version}, of ${versions.length}\n`);
