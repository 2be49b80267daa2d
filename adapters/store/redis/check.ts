/** Looks at Redis for `pushwake check`: there, lets us in, quick, and set up to keep what it is given. */
import KeyvRedis from '@keyv/redis';
import type { CheckDeps, Finding } from '../../../plugin/ports/finding.ts';
import { clientFor } from './connection.ts';
import { inspect } from './inspect.ts';
import { type RedisOptions, whereOf } from './options.ts';
import { inWords } from './trouble.ts';

/** A call reads one record; it is given up after 250 ms. */
const SLOW_MS = 50;

export async function* check(options: RedisOptions, { clock, timeoutMs }: CheckDeps): AsyncIterable<Finding> {
  const what = 'store';
  const where = whereOf(options);
  const client = clientFor(options);
  let last: unknown;
  client.on('error', (error: unknown) => {
    last = error;
  });
  try {
    const late = AbortSignal.timeout(timeoutMs);
    const inTime = <T>(work: Promise<T>): Promise<T> =>
      Promise.race([
        work,
        new Promise<never>((_, no) => late.addEventListener('abort', () => no(new Error('timed out')))),
      ]);
    await inTime(client.connect() as Promise<unknown>);
    const adapter = new KeyvRedis<unknown>(client as ConstructorParameters<typeof KeyvRedis>[0], {
      throwOnErrors: true,
    });
    const begunMs = clock.monotonicMs();
    await inTime(adapter.get('pushwake:check'));
    const ms = Math.round(clock.monotonicMs() - begunMs);
    yield ms > SLOW_MS
      ? {
          level: 'warn',
          what,
          found: `redis at ${where} takes ${ms} ms to read`,
          remedy: 'calls wait for it: put it nearer',
        }
      : { level: 'ok', what, found: `redis at ${where} answers in ${ms} ms` };
    const warnings = await inTime(inspect(adapter));
    for (const { setting, hint } of warnings) {
      yield {
        level: setting.startsWith('redis_version') ? 'fail' : 'warn',
        what,
        found: `redis has ${setting}`,
        remedy: hint,
      };
    }
    if (warnings.length === 0)
      yield { level: 'ok', what, found: 'appendonly and maxmemory-policy are as they should be, or not shown to us' };
  } catch (error) {
    yield {
      level: 'fail',
      what,
      found: inWords(where, last ?? error),
      remedy: 'see store.url; calls are woken from memory meanwhile',
    };
  } finally {
    client.destroy();
  }
}
