-- ARGV: kind, id.
local entry, body = redis.call('HGET', index, ARGV[7]), redis.call('GET', body_of(ARGV[7]))
if entry and body then return answer('there', entry, body) end
return answer('none')
