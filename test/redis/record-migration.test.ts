/** What 0.1.0 wrote into Redis, command by command, is read, renewed, warned and ended right after the upgrade. */
import { readFileSync } from 'node:fs';
import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../adapters/clock/system/index.ts';
import { create, optionsSchema } from '../../adapters/store/redis/index.ts';
import { afterUpgrade } from '../core/record-migration.ts';
import { RecordedLog } from '../support/recorded-log.ts';
import { RedisServer } from '../support/redis/instance.ts';

const OLD = new URL('../support/records-0.1.0/redis.json', import.meta.url);

describe('a Redis of 0.1.0', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
    const client = createClient({ url: server.url });
    await client.connect();
    for (const command of JSON.parse(readFileSync(OLD, 'utf8')) as string[][]) await client.sendCommand(command);
    await client.close();
  });
  afterAll(() => server.stop());
  const deps = { clock: systemClock(), log: new RecordedLog(), name: 'redis' };
  afterUpgrade(() => create(optionsSchema.parse({ url: server.url, prefix: 'pushwake' }), deps));
});
