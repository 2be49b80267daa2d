/** `npm run demo -- --week`, slower than its users see it: a busy machine must not be taken for a broken promise. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const DEMO = fileURLToPath(new URL('../demo/demo.ts', import.meta.url));

test('a week of three phones goes as promised', { timeout: 300_000 }, async () => {
  const child = spawn(process.execPath, [DEMO, '--week', '--speed', '6000'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise((done) => child.once('close', done));
  expect(code, output).toBe(0);
  expect(output).toContain('The week went as promised');
  expect(output).toContain('binding of 1001: gone (age)');
});
