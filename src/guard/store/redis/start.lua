-- Every script begins with this. It says which state of the store is in force: its mark, and how many approvals were used under it.
-- A store that has no mark, or fewer uses than the caller saw, lost what it had: it gets another mark, under which nothing of
-- before is found. After a restart, nothing is used up until all replicas that live had time to say what they saw.
-- KEYS[1]: the state. ARGV: what names begin with, a random, the mark and the count that the caller saw, how long a restart settles.
local base, random, seen, seen_count, settles = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local start = redis.call('HMGET', KEYS[1], 'mark', 'count', 'run', 'since')
local mark, count, since = start[1], tonumber(start[2] or '0'), tonumber(start[4] or '0')
local function generation(of) return tonumber(string.match(of, '^%d+')) or 0 end
local lost = mark and seen ~= ''
    and (generation(mark) < generation(seen) or (mark == seen and count < seen_count))
if not mark or lost then
    local at = clock
    if seen ~= '' then at = math.max(at, generation(seen) + 1) end
    mark, count, since = string.format('%.0f-%s', at, random), 0, 0
    redis.call('HSET', KEYS[1], 'mark', mark, 'count', '0', 'run', run, 'since', '0')
elseif start[3] ~= run or since > clock then
    since = clock
    redis.call('HSET', KEYS[1], 'run', run, 'since', string.format('%.0f', since))
end
-- Longer than anything that is kept under it.
redis.call('PEXPIRE', KEYS[1], 5184000000)
local settling = math.max(0, settles - (clock - since))
local space = base .. mark .. ':'
local function answer(word, ...) return { mark, count, word, ... } end
