-- ARGV: now, since, group, consumer, most messages, most bytes (0: any number), 1: nothing is pending, most consumers, most
-- pending of what is gone. Replies entries.
local g, missing = need()
if missing then return missing end
local consumer, count, most, noAck = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
if not room(g, consumer, tonumber(ARGV[8])) then return { 'FULL' } end

-- unseen returns the living messages after the group's last that fit.
local function unseen()
  local found, from, size = { 'OK' }, id(g.last), 0
  while g.last < rec.last do
    local page = call('XRANGE', S, '(' .. from, '+', 'COUNT', count > 0 and math.min(count, 64) or 64)
    for _, e in ipairs(page) do
      if living(e) then
        size = size + bytes(e)
        if count > 0 and #found > count or most > 0 and size > most and #found > 1 then return found end
        found[#found + 1] = e
      end
    end
    if #page == 0 then return found end
    from = page[#page][1]
  end
  return found
end

-- give makes entries pending with consumer.
local function give(found)
  for first = 2, #found, 500 do
    local claim = { 'XCLAIM', S, name, consumer, 0 }
    for i = first, math.min(first + 499, #found) do claim[#claim + 1] = found[i][1] end
    for _, option in ipairs({ 'TIME', now, 'RETRYCOUNT', 1, 'FORCE', 'JUSTID', 'LASTID', found[#found][1] }) do
      claim[#claim + 1] = option
    end
    call(unpack(claim))
  end
end

-- countRead sets what was read, after n messages were delivered, beginning after a mid.
local function countRead(after, n)
  if g.last >= rec.last then
    g.read = rec.added
  elseif g.read >= 0 then
    g.read = g.read + n
  elseif after < mid(call('XRANGE', S, '-', '+', 'COUNT', 1)[1][1]) then
    g.read = rec.added - (call('XLEN', S) - n)
  end
end

-- forget ends what is pending beyond most, where its messages are gone, oldest first.
local function forget(most)
  local excess = most > 0 and call('XPENDING', S, name)[1] - most or 0
  local from = '-'
  while excess > 0 do
    local page = call('XPENDING', S, name, from, '+', 64)
    for _, p in ipairs(page) do
      if excess > 0 and not message(p[1]) then
        call('XACK', S, name, p[1])
        excess = excess - 1
      end
    end
    if #page < 64 then return end
    from = '(' .. page[64][1]
  end
end

local found = unseen()
if #found > 1 then
  local after = g.last
  g.last = mid(found[#found][1])
  see(g, consumer)
  if noAck then call('XGROUP', 'SETID', S, name, found[#found][1]) else give(found) end
  countRead(after, #found - 1)
  put(g)
  if not noAck then forget(tonumber(ARGV[9])) end
end
use()
return found
