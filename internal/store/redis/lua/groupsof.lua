-- ARGV: now, since. Replies the key's last mid, what XINFO GROUPS does, G, and the ids of the living messages after the first of
-- those groups that have not got all.
load()
if not rec or not rec.exists then return { 'NOKEY' } end
if rec.groups == 0 then return { 'OK', rec.last, {}, {}, {} } end
local groups, from = call('HGETALL', G), rec.last
for i = 2, #groups, 2 do
  local last = groups[i]:sub(1, 19)
  if last < from then from = last end
end
local ids, i = {}, id(from)
while from < rec.last do
  local page = call('XRANGE', S, '(' .. i, '+', 'COUNT', 64)
  for _, e in ipairs(page) do
    if living(e) then ids[#ids + 1] = e[1] end
  end
  if #page < 64 then break end
  i = page[64][1]
end
return { 'OK', rec.last, call('XINFO', 'GROUPS', S), groups, ids }
