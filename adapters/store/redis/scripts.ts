/**
 * What must happen at once, as scripts inside Redis. All keys of one script carry the same hash tag, so each script also runs
 * on a cluster. Per shard there are: `r:<aor>` the record (see `row-text.ts`), `due` the schedule (a sorted set with every AOR
 * of the shard; `+inf`: nothing is due), `lease` who is being worked on until when, by the clock of Redis itself.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** The version a row begins with; '0' when there is none. GETRANGE: a record may weigh 200 kB, its head does not. */
const VERSION = `
local head = redis.call('GETRANGE', KEYS[1], 0, 15)
local version = head == '' and '0' or string.sub(head, 1, string.find(head, ',', 1, true) - 1)`;

/**
 * KEYS: record, due. ARGV: AOR, expected version, row, due time or '+inf'. 1: stored, 0: somebody else was first. A lease is
 * left to run out: nothing that was just worked on is due again within its minute, and one command less is a tenth of the cost.
 */
export const PUT = script(`${VERSION}
if version ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
return 1`);

/** KEYS: record, due, lease. ARGV: AOR, expected version. Deleting what is not there is success. */
export const REMOVE = script(`${VERSION}
if version ~= '0' and version ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1`);

/** KEYS: due, lease. ARGV: now, limit. The earliest that nobody works on: AOR, due time, AOR, due time, … Changes nothing. */
export const PEEK = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found, offset, limit = {}, 0, tonumber(ARGV[2])
repeat
  local page = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', offset, limit)
  for i = 1, #page, 2 do
    local lease = redis.call('ZSCORE', KEYS[2], page[i])
    if (not lease or tonumber(lease) <= now) and #found < 2 * limit then
      found[#found + 1] = page[i]
      found[#found + 1] = page[i + 1]
    end
  end
  offset = offset + limit
until #page < 2 * limit or #found >= 2 * limit or offset > 20 * limit
return found`);

/** KEYS: due, lease. ARGV: now, lease in ms, AOR, AOR, … Those that are still due and free, from here on leased to the caller. */
export const LEASE = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local mine = {}
for i = 3, #ARGV do
  local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
  local lease = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if due and tonumber(due) <= tonumber(ARGV[1]) and (not lease or tonumber(lease) <= now) then
    redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), ARGV[i])
    mine[#mine + 1] = ARGV[i]
  end
end
return mine`);

/**
 * KEYS: nodes. ARGV: own id, what it has as JSON ('': it leaves), forget after (ms). All nodes: id, age in ms, JSON, id, …
 * A field holds `time,JSON`.
 */
export const HEARTBEAT = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1])
else redis.call('HSET', KEYS[1], ARGV[1], now .. ',' .. ARGV[2]) end
local found, all = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at, json = string.match(all[i + 1], '^(%d+),(.*)$')
  local age = now - tonumber(at)
  if age > tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], all[i])
  else
    found[#found + 1] = all[i]
    found[#found + 1] = tostring(age)
    found[#found + 1] = json
  end
end
return found`);
