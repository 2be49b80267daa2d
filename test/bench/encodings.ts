/**
 * Forms in which a record could be stored: how long it is, what a node spends on writing and reading it, and what Redis spends on it and
 * keeps of it. Forms of the same record, in turn; JSON is the one that is used (ADR 0132).
 */
import { hash } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import { constants, deflateRawSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { createClient, RESP_TYPES } from '@redis/client';
import { encodeRecord } from '../../plugin/core/binding.ts';
import { instant } from '../../plugin/core/time.ts';
import { siteRecord } from '../redis/site.ts';
import { RedisServer } from '../support/redis/instance.ts';
import type { Result, Suite } from './bench.ts';
import { BinaryReader, BinaryWriter } from './encodings/binary.ts';
import { fromShort, toShort } from './encodings/short-keys.ts';

const RECORDS = 10_000;
const GROUP = 100;
const ROUNDS = 7;

interface Form {
  readonly name: string;
  readonly encode: (raw: unknown) => string | Buffer;
  readonly decode: (stored: Buffer) => unknown;
}

export const encodings: Suite = async (progress) => {
  // Tokens as they are, without a pattern: nothing makes them shorter than their bytes.
  const real = (text: string) => text.replace(/[0-9a-f]{32,}/g, (id) => hash('sha256', id).slice(0, id.length));
  const raw = Array.from({ length: RECORDS }, (_, n) =>
    JSON.parse(real(encodeRecord(siteRecord(n, instant(1_795_986_262_354))))),
  );
  /** What a zlib or zstd stream may refer to: a record of somebody else. */
  const dictionary = Buffer.from(JSON.stringify(raw[RECORDS - 1]));
  const text = (stored: Buffer) => stored.toString();
  const forms: Form[] = [
    { name: 'JSON', encode: (r) => JSON.stringify(r), decode: (s) => JSON.parse(text(s)) },
    {
      name: 'JSON, short names',
      encode: (r) => JSON.stringify(toShort(r)),
      decode: (s) => fromShort(JSON.parse(text(s))),
    },
    {
      name: 'binary (names by number, hex as bytes, repeated texts once)',
      encode: (r) => new BinaryWriter().write(r),
      decode: (s) => new BinaryReader(s).read(),
    },
    { name: 'v8.serialize', encode: (r) => serialize(r), decode: (s) => deserialize(s) },
    {
      name: 'JSON, deflate (level 1) with a dictionary',
      encode: (r) => deflateRawSync(JSON.stringify(r), { level: 1, dictionary }),
      decode: (s) => JSON.parse(inflateRawSync(s, { dictionary }).toString()),
    },
    {
      name: 'JSON, zstd (level 1) with a dictionary',
      encode: (r) =>
        zstdCompressSync(JSON.stringify(r), { params: { [constants.ZSTD_c_compressionLevel]: 1 }, dictionary }),
      decode: (s) => JSON.parse(zstdDecompressSync(s, { dictionary }).toString()),
    },
  ];
  const stored = forms.map(({ encode }) => raw.map((r) => Buffer.from(encode(r))));
  forms.forEach(({ name, decode }, f) => {
    if (JSON.stringify(decode(stored[f]?.[5] as Buffer)) !== JSON.stringify(raw[5]))
      throw new Error(`${name} loses something`);
  });

  const redis = await RedisServer.start();
  const client = createClient({ url: redis.url });
  await client.connect();
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  const info = async (field: RegExp) =>
    [...(await redis.cli('info', 'everything')).matchAll(field)].reduce((sum, [, value]) => sum + Number(value), 0);
  const cpu = () => info(/^used_cpu_(?:sys|user):([0-9.]+)/gm);
  const times = forms.map(() => ({ encode: [] as number[], decode: [] as number[], redis: [] as number[], bytes: 0 }));
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      progress(`round ${round} of ${ROUNDS}`);
      for (const [f, { encode, decode }] of forms.entries()) {
        const mine = stored[f] as Buffer[];
        const time = times[f] as (typeof times)[number];
        time.encode.push(perRecordUs(() => raw.forEach(encode)));
        time.decode.push(perRecordUs(() => mine.forEach((s) => void decode(s))));
        await client.flushAll();
        const empty = await info(/^used_memory:(\d+)/gm);
        await write(mine);
        time.bytes = ((await info(/^used_memory:(\d+)/gm)) - empty) / RECORDS;
        const before = await cpu();
        await write(mine);
        time.redis.push((((await cpu()) - before) / RECORDS) * 1e6);
      }
    }
  } finally {
    client.destroy();
    await redis.stop();
  }
  return forms.flatMap(({ name }, f): Result[] => {
    const time = times[f] as (typeof times)[number];
    const length = (stored[f] as Buffer[]).reduce((sum, s) => sum + s.length, 0) / RECORDS;
    return [
      { name: `${name}: length`, value: length, unit: 'bytes' },
      { name: '… in the memory of Redis, key and all', value: time.bytes, unit: 'bytes' },
      { name: '… a node writes it in', value: median(time.encode), unit: 'µs' },
      { name: '… a node reads it in', value: median(time.decode), unit: 'µs' },
      { name: '… CPU of Redis for one read and one write', value: median(time.redis), unit: 'µs' },
    ];
  });

  /** As the adapter reads and writes a hundred records. */
  async function write(rows: readonly Buffer[]): Promise<void> {
    for (let n = 0; n < RECORDS; n += GROUP) {
      const keys = Array.from({ length: GROUP }, (_, i) => `r:${n + i}`);
      await binary.mGet(keys);
      await Promise.all([client.watch(keys), binary.mGet(keys)]);
      await client
        .multi()
        .mSet(keys.map((key, i): [string, Buffer] => [key, rows[n + i] as Buffer]))
        .exec();
    }
  }
};

function perRecordUs(work: () => void): number {
  const { user, system } = process.cpuUsage();
  work();
  const after = process.cpuUsage();
  return (after.user - user + after.system - system) / RECORDS;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
