-- ARGV: kind, id, body, entry, how long it is kept, now, owner, group, same, three bounds, whether the oldest gives way, how many
-- that were taken are remembered.
local id, body, entry, ttl, now = ARGV[7], ARGV[8], ARGV[9], ARGV[10], tonumber(ARGV[11])
local found = sweep(now, ARGV[12], ARGV[13], ARGV[14])
if found.same then
    local same = redis.call('GET', body_of(found.same))
    -- The answer to the same try was lost.
    if found.same == id and redis.call('HGET', index, id) == entry then return answer('stored') end
    if same then return answer('known', found.same, same) end
    remove(found.same)
end
local full = met(found, ARGV[15], ARGV[16], ARGV[17])
local goes = ARGV[18] == '1' and found.oldest or full == 'all' and of_the_most(found) or nil
if full and not goes then return answer('full', full) end
local there = redis.call('HGET', index, id)
if there == entry then return answer('stored') end
if there then return answer('id taken') end
if full then remove(goes) end
table.sort(found.taken, function(one, other) return one.ends < other.ends end)
for n = 1, #found.taken - tonumber(ARGV[19]) do remove(found.taken[n].id) end
redis.call('SET', body_of(id), body, 'PX', ttl)
keep(id, entry, ttl)
return answer('stored')
