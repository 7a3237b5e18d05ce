-- Buckets that fill steadily (GCRA), by this server's clock: takes one of each, or says in how many microseconds it could.
-- KEYS: the buckets. ARGV: for each how many may go at once, and the microseconds between two.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wait, due = 0, {}
for n, key in ipairs(KEYS) do
    local burst, interval = tonumber(ARGV[2 * n - 1]), tonumber(ARGV[2 * n])
    local at = math.max(tonumber(redis.call('GET', key) or '0'), now)
    -- A clock that was set back must not close the bucket for long.
    at = math.min(at, now + burst * interval)
    wait = math.max(wait, at - now - (burst - 1) * interval)
    due[n] = at + interval
end
if wait > 0 then return string.format('%.0f', wait) end
for n, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', due[n]), 'PX', string.format('%.0f', (due[n] - now) / 1000 + 1000))
end
return '0'
