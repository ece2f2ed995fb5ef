-- ARGV: now, since, group, id from, id to, most, consumer ('': all), least idle ms. Replies what XPENDING does, with the time of
-- delivery in place of how long ago that was.
local _, missing = need()
if missing then return missing end
local from, most, consumer, idle = ARGV[4], tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8])
local found = { 'OK' }
while #found <= most do
  local page, at
  if consumer == '' then page, at = pending(from, ARGV[5], 64) else page, at = pending(from, ARGV[5], 64, consumer) end
  for _, p in ipairs(page) do
    p[3] = at - p[3]
    if #found <= most and (idle <= 0 or now - p[3] >= idle) then found[#found + 1] = p end
  end
  if #page < 64 then break end
  from = '(' .. page[64][1]
end
return found
