-- ARGV: now, since, group. Replies of each consumer its name, how much is pending with it, and when it was seen.
local _, missing = need()
if missing then return missing end
local found = { 'OK' }
for _, c in ipairs(call('XINFO', 'CONSUMERS', S, name)) do
  found[#found + 1] = { c[2], c[4], call('HGET', C, seenField(c[2])) or '0' }
end
return found
