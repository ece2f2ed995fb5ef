-- ARGV: now, since, group, mid ('': the last), 1: makes the key, most groups.
load()
if (not rec or not rec.exists) and ARGV[5] ~= '1' then return { 'NOKEY' } end
if not rec then make() end
if group() then return { 'EXISTS' } end
local most = tonumber(ARGV[6])
if most > 0 and rec.groups >= most then return { 'FULL' } end
local g = { last = ARGV[4] ~= '' and ARGV[4] or rec.last, read = -1, consumers = 0 }
call('XGROUP', 'CREATE', S, name, id(g.last), 'MKSTREAM')
put(g)
rec.exists, rec.used, rec.groups = true, now, rec.groups + 1
rec.sd, rec.rd = 0, 0 -- from now on messages are kept as long as groups are
save()
return { 'OK' }
