-- ARGV: kind, now, owner, three bounds.
local found = sweep(tonumber(ARGV[7]), ARGV[8], '', '')
local full = met(found, ARGV[9], ARGV[10], ARGV[11])
if full and not (full == 'all' and of_the_most(found)) then return answer('full', full) end
return answer('room')
