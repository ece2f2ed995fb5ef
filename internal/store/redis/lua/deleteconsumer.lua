-- ARGV: now, since, group, consumer. Replies how much was pending with it.
local g, missing = need()
if missing then return missing end
if call('HDEL', C, seenField(ARGV[4])) == 0 then return { 'OK', 0 } end
g.consumers = g.consumers - 1
put(g)
return { 'OK', call('XGROUP', 'DELCONSUMER', S, name, ARGV[4]) }
