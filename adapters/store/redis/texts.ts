/**
 * Texts in Redis. For each account a hash of its texts (`t:<aor>`), and for each shard a sorted set of when the time of each is over (`texts`),
 * whose members are `<aor> <id>`, and the bytes of its texts (`texts-bytes`). All carry the tag of the shard, so that one script changes them.
 */
import type { Aor } from '../../../plugin/core/aor.ts';
import type { BindingId } from '../../../plugin/core/binding.ts';
import type { DurationMs, Instant } from '../../../plugin/core/time.ts';
import { type KeptText, MOST_TEXTS, type TextRoom, type TextStore } from '../../../plugin/ports/text-store.ts';
import { type Script, script } from './scripts.ts';

/** KEYS: texts of the account, expiries and bytes of the shard. ARGV: id, the text, most of an account, most and most bytes of a shard, expiry, `<aor> <id>`. */
const KEEP = script(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 'there' end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then return 'full' end
if tonumber(redis.call('GET', KEYS[3]) or '0') + #ARGV[2] > tonumber(ARGV[5]) then return 'full' end
local waiting = 0
for _, value in ipairs(redis.call('HVALS', KEYS[1])) do
  if string.sub(value, 1, 1) == '1' then waiting = waiting + 1 end
end
if waiting >= tonumber(ARGV[3]) then return 'full' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[6], ARGV[7])
redis.call('INCRBY', KEYS[3], #ARGV[2])
return 'kept'`);

/** KEYS as above. ARGV: id, until when to remember it, `<aor> <id>`, then the devices. A value is 1 (somebody waits) or 0, devices, JSON, each after a line break. */
const TAKEN = script(`
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value or string.sub(value, 1, 1) == '0' then return 0 end
local devices, rest = string.match(value, '^1\\n([^\\n]*)\\n(.*)$')
local gone, left = {}, {}
for i = 4, #ARGV do gone[ARGV[i]] = true end
for device in string.gmatch(devices, '%S+') do
  if not gone[device] then left[#left + 1] = device end
end
local now = '0\\n\\n'
if #left > 0 then
  now = '1\\n' .. table.concat(left, ' ') .. '\\n' .. rest
else
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
end
redis.call('HSET', KEYS[1], ARGV[1], now)
redis.call('INCRBY', KEYS[3], #now - #value)
return 1`);

/** KEYS as above. ARGV: id, `<aor> <id>`. */
const DROP = script(`
local bytes = redis.call('HSTRLEN', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
if bytes > 0 and redis.call('DECRBY', KEYS[3], bytes) <= 0 then redis.call('DEL', KEYS[3]) end
redis.call('ZREM', KEYS[2], ARGV[2])
return 1`);

const OF = script(`return redis.call('HGETALL', KEYS[1])`);
const EXPIRED = script(`
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', '0', ARGV[2])`);
const CLAIM = script(`if redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 1 end return 0`);
const RELEASE = script(`return redis.call('DEL', KEYS[1])`);

export interface RedisTextsIo {
  readonly run: (script: Script, keys: string[], args: string[]) => Promise<unknown>;
  /** `pushwake:{s07}:` of the account. */
  readonly tagOf: (aor: Aor) => string;
  readonly tags: () => readonly string[];
}

export class RedisTexts implements TextStore {
  readonly #io: RedisTextsIo;

  constructor(io: RedisTextsIo) {
    this.#io = io;
  }

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  async keep(text: KeptText, room: TextRoom): Promise<'kept' | 'there' | 'full'> {
    const { id, aor, waiting, expiresAt, ...rest } = text;
    const value = `1\n${waiting.join(' ')}\n${JSON.stringify({ ...rest, expiresAt })}`;
    const shards = this.#io.tags().length;
    const most = [room.ofAccount, Math.ceil(room.inAll / shards), Math.ceil(room.bytesInAll / shards)];
    const args = [id, value, ...most.map(String), String(expiresAt), member(aor, id)];
    return (await this.#io.run(KEEP, this.#keys(aor), args)) as 'kept' | 'there' | 'full';
  }

  async of(aor: Aor): Promise<readonly KeptText[]> {
    const found = (await this.#io.run(OF, [this.#texts(aor)], [])) as string[];
    const all = Array.from({ length: found.length / 2 }, (_, i) =>
      read(aor, found[2 * i] as string, found[2 * i + 1] as string),
    );
    return all
      .filter((text) => text.waiting.length > 0)
      .sort((a, b) => a.receivedAt - b.receivedAt || (a.id < b.id ? -1 : 1));
  }

  async taken(aor: Aor, id: string, by: readonly BindingId[], rememberUntil: Instant): Promise<void> {
    await this.#io.run(TAKEN, this.#keys(aor), [id, String(rememberUntil), member(aor, id), ...by]);
  }

  async expired(now: Instant, limit: number): Promise<readonly KeptText[]> {
    const members = await this.#members(String(now), limit);
    const found = await Promise.all(
      members.slice(0, limit).map(async ({ aor, id }) => {
        const all = (await this.#io.run(OF, [this.#texts(aor)], [])) as string[];
        const at = all.findIndex((field, i) => i % 2 === 0 && field === id);
        return read(aor, id, at < 0 ? '0\n\n' : (all[at + 1] as string));
      }),
    );
    return found;
  }

  async drop(aor: Aor, id: string): Promise<void> {
    await this.#io.run(DROP, this.#keys(aor), [id, member(aor, id)]);
  }

  async accounts(): Promise<readonly Aor[]> {
    const all = new Set((await this.#members('+inf', MOST_TEXTS)).map(({ aor }) => aor));
    const waiting: Aor[] = [];
    // Remembered ids have an end as well.
    for (const aor of all) if ((await this.of(aor)).length > 0) waiting.push(aor);
    return waiting;
  }

  async claim(aor: Aor, device: BindingId, forMs: DurationMs): Promise<boolean> {
    return (await this.#io.run(CLAIM, [this.#claimKey(aor, device)], [String(forMs)])) === 1;
  }

  async release(aor: Aor, device: BindingId): Promise<void> {
    await this.#io.run(RELEASE, [this.#claimKey(aor, device)], []);
  }

  async #members(until: string, limit: number): Promise<readonly { aor: Aor; id: string }[]> {
    const pages = await Promise.all(
      this.#io.tags().map((tag) => this.#io.run(EXPIRED, [`${tag}texts`], [until, String(limit)]) as Promise<string[]>),
    );
    return pages.flat().map((text) => {
      const blank = text.indexOf(' ');
      return { aor: text.slice(0, blank) as Aor, id: text.slice(blank + 1) };
    });
  }

  #texts(aor: Aor): string {
    return `${this.#io.tagOf(aor)}t:${aor}`;
  }

  #keys(aor: Aor): string[] {
    const tag = this.#io.tagOf(aor);
    return [this.#texts(aor), `${tag}texts`, `${tag}texts-bytes`];
  }

  #claimKey(aor: Aor, device: BindingId): string {
    return `${this.#io.tagOf(aor)}tc:${aor} ${device}`;
  }
}

const member = (aor: Aor, id: string): string => `${aor} ${id}`;

function read(aor: Aor, id: string, value: string): KeptText {
  const [mark = '0', devices = ''] = value.split('\n', 2);
  const json = value.slice(mark.length + devices.length + 2);
  const nothing = { pbx: '', from: '', to: '', contentType: '', body: '', receivedAt: 0, expiresAt: 0 };
  const rest = json === '' ? nothing : JSON.parse(json);
  return {
    ...(rest as Omit<KeptText, 'aor' | 'id' | 'waiting'>),
    aor,
    id,
    waiting: mark === '1' ? (devices.split(' ').filter((d) => d !== '') as BindingId[]) : [],
  };
}
