-- ARGV: now, since, group. Replies whether it was there.
local g, missing = need()
if not g then return missing[1] == 'NOGROUP' and { 'OK', 0 } or missing end
for _, c in ipairs(call('XINFO', 'CONSUMERS', S, name)) do
  call('HDEL', C, seenField(c[2]))
end
call('XGROUP', 'DESTROY', S, name)
call('HDEL', G, name)
rec.groups = rec.groups - 1
save()
return { 'OK', 1 }
