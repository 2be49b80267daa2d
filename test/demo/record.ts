/** `npm run demo:record`: plays the demo and writes what it printed, with its times, to `docs/screenshots/demo.svg`. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Printed, svgOf } from './recording.ts';

const FILE = fileURLToPath(new URL('../../docs/screenshots/demo.svg', import.meta.url));
const lines: Printed[] = [{ atMs: 0, text: '# npm ci && npm run demo' }];
const begun = performance.now();
const demo = spawn(process.execPath, [fileURLToPath(new URL('./demo.ts', import.meta.url))], {
  env: { ...process.env, NO_COLOR: '1' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
for await (const text of createInterface({ input: demo.stdout })) {
  lines.push({ atMs: performance.now() - begun, text });
  process.stdout.write(`${text}\n`);
}
if (demo.exitCode === null) await new Promise((done) => demo.once('exit', done));
if (demo.exitCode !== 0) {
  process.stderr.write('the demo failed; the recording was left as it is\n');
  process.exit(1);
}
writeFileSync(FILE, svgOf(lines, 'A sleeping phone rings: the demo of pushwake, step by step'));
