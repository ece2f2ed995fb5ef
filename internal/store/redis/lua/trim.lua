-- ARGV: now, since, how many to keep (below 0: any number), the least id to keep. Replies how many living messages were removed.
load()
if not rec or not rec.exists then return 0 end
dropExpired()
local before = call('XLEN', S)
call('XTRIM', S, 'MINID', '=', ARGV[4])
if tonumber(ARGV[3]) >= 0 then call('XTRIM', S, 'MAXLEN', '=', ARGV[3]) end
removed()
save()
return before - call('XLEN', S)
