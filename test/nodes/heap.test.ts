/** A heap limit that is too small is said at the start, in the log and in what `status` reads: at the limit the process would end without a word. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { PushwakeProcess } from '../support/pushwake-process.ts';

let folder: string;
let node: PushwakeProcess;
afterEach(async () => {
  await node.stop('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

it.each([
  [64, 1],
  [512, 0],
])('--max-old-space-size=%i: %i word', async (limitMiB, words) => {
  folder = mkdtempSync(join(tmpdir(), 'pushwake-heap-'));
  node = new PushwakeProcess(join(folder, 'pushwake.yaml'));
  node.nodeOptions = [`--max-old-space-size=${limitMiB}`];
  const port = await freePort();
  node.configure(`mode: full
store: { type: sqlite, path: ${JSON.stringify(join(folder, 'bindings.db'))} }
pbx: { office: { type: asterisk, url: "http://127.0.0.1:${await freePort()}", password: x, realm: example.com } }
push: { log: { type: log } }
http: { admin: { listen: "127.0.0.1:${port}" } }
`);
  await node.start();
  expect(node.log.filter((l) => l.msg === 'heap limit is too small')).toHaveLength(words);
  const status = (await (await fetch(`http://127.0.0.1:${port}/v1/status`)).json()) as { heapTrouble?: string };
  expect(status.heapTrouble ?? '').toMatch(words ? /the heap limit is \d+ MiB, 128 are needed/ : /^$/);
});
