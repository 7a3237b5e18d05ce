-- Uses a nonce up that was made under a mark. ARGV: the mark, the nonce's digest, who tries, how long it is remembered.
if ARGV[6] ~= mark then return answer('other') end
if settling > 0 then return answer('settling', settling) end
local used = space .. 'used:' .. ARGV[7]
if redis.call('SET', used, ARGV[8], 'NX', 'PX', ARGV[9]) then
    count = redis.call('HINCRBY', KEYS[1], 'count', 1)
    return answer('first')
end
-- The answer to the same try was lost.
if redis.call('GET', used) == ARGV[8] then return answer('first') end
return answer('before')
