-- ARGV: now, since, group, consumer, most consumers. Replies whether it is new.
local g, missing = need()
if missing then return missing end
if call('HEXISTS', C, seenField(ARGV[4])) == 1 then return { 'OK', 0 } end
if not room(g, ARGV[4], tonumber(ARGV[5])) then return { 'FULL' } end
see(g, ARGV[4])
put(g)
use()
return { 'OK', 1 }
