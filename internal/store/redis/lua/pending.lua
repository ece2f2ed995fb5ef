-- ARGV: now, since, group. Replies what XPENDING does.
local _, missing = need()
if missing then return missing end
return { 'OK', call('XPENDING', S, name) }
