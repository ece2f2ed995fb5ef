-- ARGV: as in claiming.lua, then the mid that the group's last becomes at least, and ids. Replies entries, or ids alone.
local g, missing = need()
if missing then return missing end
if not room(g, consumer, tonumber(ARGV[11])) then return { 'FULL' } end
if ARGV[12] > g.last then
  g.last = ARGV[12]
  call('XGROUP', 'SETID', S, name, id(g.last))
  put(g)
end
local claimed = { 'OK' }
for i = 13, #ARGV do
  local page, at = pending(ARGV[i], ARGV[i], 1)
  local e, _, full = claim(ARGV[i], page[1], at)
  if full then break end
  claimed[#claimed + 1] = e
end
given(g, #claimed - 1)
return claimed
