-- ARGV: kind, what they are found by or nothing. What was taken is left out.
local listed = answer('listed')
local entries = redis.call('HGETALL', index)
for n = 1, #entries, 2 do
    local entry = read(entries[n + 1])
    if entry and not entry.taken and (ARGV[7] == '' or entry.found == ARGV[7]) then
        local body = redis.call('GET', body_of(entries[n]))
        if body then
            table.insert(listed, entries[n])
            table.insert(listed, body)
        end
    end
end
return listed
