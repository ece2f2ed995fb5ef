-- ARGV: now, since, group, consumer, id after which, most messages, most bytes (0: any number), most consumers. Replies entries,
-- of those that are gone the id alone.
local g, missing = need()
if missing then return missing end
local consumer, count, most = ARGV[4], tonumber(ARGV[6]), tonumber(ARGV[7])
if not room(g, consumer, tonumber(ARGV[8])) then return { 'FULL' } end
if see(g, consumer) then put(g) end
use()

local found, from, size = { 'OK' }, ARGV[5], 0
while true do
  local page = call('XPENDING', S, name, '(' .. from, '+', 64, consumer)
  for _, p in ipairs(page) do
    local e = message(p[1])
    size = size + (e and bytes(e) or 0)
    if count > 0 and #found > count or most > 0 and size > most and #found > 1 then return found end
    if e then call('XCLAIM', S, name, consumer, 0, p[1], 'TIME', now, 'RETRYCOUNT', p[4] + 1, 'JUSTID') end
    found[#found + 1] = e or { p[1] }
  end
  if #page < 64 then return found end
  from = page[64][1]
end
