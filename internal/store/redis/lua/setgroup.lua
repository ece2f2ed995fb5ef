-- ARGV: now, since, group, mid ('': the last).
local g, missing = need()
if missing then return missing end
g.last, g.read = ARGV[4] ~= '' and ARGV[4] or rec.last, -1
call('XGROUP', 'SETID', S, name, id(g.last))
put(g)
use()
return { 'OK' }
