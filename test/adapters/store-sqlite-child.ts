/** Another process with the store in hand, for `store-sqlite.test.ts`: `hold`, `write` or `full`, then the file. */
import { execFileSync } from 'node:child_process';
import { create } from '../../adapters/store/sqlite/index.ts';
import { aorNo, recordOf } from '../contract/binding-store.records.ts';
import { FakeClock } from '../support/fake-clock.ts';

const [what, path = ''] = process.argv.slice(2);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const store = create({ path }, { clock: new FakeClock(), log: quiet, name: 'sqlite' });
const tell = (line: string) => process.stdout.write(`${line}\n`);

try {
  await store.open();
  tell('open');
} catch (error) {
  tell(String(error));
  process.exit(3);
}

/** For ever, some at a time; each is told only when the store said it is safe. */
async function write(): Promise<never> {
  const from = Number(process.argv[4]);
  for (let n = from; ; n += 10) {
    await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        await store.put(recordOf(aorNo(n + i)), 0);
        tell(String(n + i));
      }),
    );
  }
}

/** The disk takes no more, then it does again. */
async function full(): Promise<void> {
  const limit = (bytes: string) =>
    execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
  await store.put(recordOf(aorNo(0)), 0);
  limit('150000');
  const outcomes = await Promise.allSettled(
    Array.from({ length: 1000 }, (_, i) => store.put(recordOf(aorNo(i + 1)), 0)),
  );
  const refused = outcomes.filter((o) => o.status === 'rejected');
  tell(JSON.stringify({ refused: refused.length, reason: String(refused[0]?.reason) }));
  tell(JSON.stringify({ old: (await store.get(aorNo(0)))?.version }));
  limit('unlimited');
  tell(JSON.stringify(await store.put(recordOf(aorNo(5000)), 0)));
  await store.close();
}

if (what === 'write') await write();
if (what === 'full') await full();
