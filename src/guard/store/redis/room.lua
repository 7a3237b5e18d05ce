-- ARGV: kind, now, owner, group, three bounds.
local found = sweep(tonumber(ARGV[7]), ARGV[8], ARGV[9], '')
local full = met(found, ARGV[10], ARGV[11], ARGV[12])
if full and not (full == 'all' and of_the_most(found)) then return answer('full', full) end
return answer('room')
