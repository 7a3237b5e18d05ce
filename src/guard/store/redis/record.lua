-- What scripts about records share. ARGV[6]: their kind.
local kind = ARGV[6]
local index = space .. kind .. ':index'
local function body_of(id) return space .. kind .. ':body:' .. id end
local function remove(id)
    redis.call('HDEL', index, id)
    redis.call('DEL', body_of(id))
end
local function keep(id, entry, ttl)
    redis.call('HSET', index, id, entry)
    if redis.call('PTTL', index) < tonumber(ttl) then redis.call('PEXPIRE', index, ttl) end
end
-- An entry, where it is one: what somebody else wrote into the index is nothing, and stands in nobody's way.
local function read(text)
    local is_read, entry = pcall(cjson.decode, text)
    if not is_read or type(entry) ~= 'table' or type(entry.ends) ~= 'number' then return nil end
    if type(entry.since) ~= 'number' or type(entry.owner) ~= 'string' or type(entry.group) ~= 'string' then return nil end
    return entry
end
-- What is left when all that ended before `now` is removed: counts of what waits, and what the caller asks about.
local function sweep(now, owner, group, same)
    local found = { all = 0, of_group = 0, of_owner = 0, taken = {}, shares = {}, share = group ~= '' and group or owner }
    local entries = redis.call('HGETALL', index)
    for n = 1, #entries, 2 do
        local id, entry = entries[n], read(entries[n + 1])
        if not entry or entry.ends <= now then
            remove(id)
        elseif entry.taken then
            table.insert(found.taken, { id = id, ends = entry.ends })
        elseif entry.waits then
            found.all = found.all + 1
            local whose = entry.group ~= '' and entry.group or entry.owner
            local share = found.shares[whose] or { count = 0 }
            found.shares[whose] = share
            share.count = share.count + 1
            if not share.since or entry.since < share.since then share.since, share.oldest = entry.since, id end
            if group ~= '' and entry.group == group then found.of_group = found.of_group + 1 end
            if entry.owner == owner then
                found.of_owner = found.of_owner + 1
                if not found.since or entry.since < found.since then found.since, found.oldest = entry.since, id end
            end
            if same ~= '' and entry.same == same then found.same = id end
        end
    end
    return found
end
-- The bound that one more meets, of all, of a group, of an owner.
local function met(found, all, of_group, of_owner)
    if found.of_owner >= tonumber(of_owner) then return 'owner' end
    if found.all >= tonumber(all) then return 'all' end
    if found.of_group >= tonumber(of_group) then return 'group' end
end
-- Where those of all are too many: the oldest of whoever has most, if that still has as many
-- afterwards as the owner of a new one.
local function of_the_most(found)
    local own, most = found.shares[found.share], nil
    for _, share in pairs(found.shares) do
        if not most or share.count > most.count or (share.count == most.count and share.since < most.since) then most = share end
    end
    if most and most.count > (own and own.count or 0) + 1 then return most.oldest end
end
