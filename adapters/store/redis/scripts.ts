/**
 * What must happen at once, as scripts inside Redis. All keys of one script carry the same hash tag, so each script also runs
 * on a cluster. Per shard there are: `r:<aor>` the record (see `row-text.ts`), `due` the schedule (a sorted set with every AOR
 * of the shard; `+inf`: nothing is due). What a node has claimed is due again a minute later, unless it is written before.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

export function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** The version a row begins with; '0' when there is none. GETRANGE: a record may weigh 200 kB, its head does not. */
const VERSION = `
local head = redis.call('GETRANGE', KEYS[1], 0, 15)
local version = head == '' and '0' or string.sub(head, 1, string.find(head, ',', 1, true) - 1)`;

/**
 * Several records. KEYS: each record, then each schedule they need, once. ARGV: where the AOR begins in a record's key, how many records;
 * then for each: what its row must begin with, that text's last index ('' and '0': there must be none), the new row, due time or
 * '+inf', which of KEYS is its schedule. Answers for each 1: stored, 0: somebody else was first, or Redis' own words: a broken key
 * keeps nobody else from being written. What Redis is handed is a third of the cost: hence the short forms.
 */
export const PUT = script(`
local call, sub, keys, args, results = redis.pcall, string.sub, KEYS, ARGV, {}
local from, a = tonumber(args[1]), 3
for i = 1, tonumber(args[2]) do
  local record = keys[i]
  local done = call('GETRANGE', record, '0', args[a + 1])
  if done == args[a] then
    done = call('SET', record, args[a + 2])
    if not done.err then done = call('ZADD', keys[tonumber(args[a + 4])], args[a + 3], sub(record, from)) end
    results[i] = type(done) == 'table' and done.err or 1
  else
    results[i] = type(done) == 'table' and done.err or 0
  end
  a = a + 5
end
return results`);

/** KEYS: record, due. ARGV: AOR, expected version. Deleting what is not there is success. */
export const REMOVE = script(`${VERSION}
if version ~= '0' and version ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1`);

/** KEYS: schedules. ARGV: now, limit for each. What is due: which of KEYS, AOR, due time, which of KEYS, … Changes nothing. */
export const PEEK = script(`
local found = {}
for k = 1, #KEYS do
  local page = redis.call('ZRANGEBYSCORE', KEYS[k], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', '0', ARGV[2])
  for i = 1, #page, 2 do
    found[#found + 1] = tostring(k)
    found[#found + 1] = page[i]
    found[#found + 1] = page[i + 1]
  end
end
return found`);

/**
 * KEYS: schedules. ARGV: now, when it is due again, then for each of KEYS how many AORs, and these. For each AOR 1: the caller's; 0: somebody was first.
 * Of each schedule all AORs go to Redis' own commands together: a call out of a script costs more than what it does here.
 */
export const LEASE = script(`
local call, args, results = redis.call, ARGV, {}
local now, again, a = tonumber(args[1]), args[2], 3
for k = 1, #KEYS do
  local last = a + tonumber(args[a])
  local scores = call('ZMSCORE', KEYS[k], unpack(args, a + 1, last))
  local mine = {}
  for i = a + 1, last do
    local due = scores[i - a]
    local free = due and tonumber(due) <= now
    if free then
      mine[#mine + 1] = again
      mine[#mine + 1] = args[i]
    end
    results[#results + 1] = free and 1 or 0
  end
  if #mine > 0 then call('ZADD', KEYS[k], unpack(mine)) end
  a = last + 1
end
return results`);

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
