-- Puts an entry in another's place, if that is still there. ARGV: kind, id, the entry that was seen, the new one or nothing, the new
-- body or nothing, how long it is kept, whether something is used up by it.
local id, seen_entry, entry, body, ttl = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
if ARGV[12] == '1' and settling > 0 then return answer('settling', settling) end
local there = redis.call('HGET', index, id)
-- The answer to the same try was lost.
if there and there == entry then return answer('done') end
if there ~= seen_entry then return answer('moved') end
if ARGV[12] == '1' then count = redis.call('HINCRBY', KEYS[1], 'count', 1) end
if entry == '' then
    remove(id)
else
    keep(id, entry, ttl)
    if body ~= '' then redis.call('SET', body_of(id), body, 'PX', ttl) end
end
return answer('done')
