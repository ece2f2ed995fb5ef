-- ARGV: now, since, group, consumer, least idle ms, ms of delivery, deliveries (-1: one more), 1: ids alone, 1: also what is not
-- pending, most bytes (0: any number), most consumers; more follows.
local consumer, idle, delivered, count = ARGV[4], tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local justID, force, most = ARGV[8] == '1', ARGV[9] == '1', tonumber(ARGV[10])
local size = 0

-- claim gives what is pending with id i to consumer, and returns its entry; or that it is gone, or that it does not fit. p is what
-- is pending, nil if nothing is, and at the time of that.
local function claim(i, p, at)
  local e = message(i)
  if not e then
    if p then call('XACK', S, name, i) end
    return nil, p ~= nil, false
  end
  if p and idle > 0 and now - (at - p[3]) < idle or not p and not force then return nil, false, false end
  local length = justID and 0 or bytes(e)
  if most > 0 and size > 0 and size + length > most then return nil, false, true end
  size = size + length
  local n = count
  if n < 0 then n = (p and p[4] or 1) + (justID and 0 or 1) end
  call('XCLAIM', S, name, consumer, 0, i, 'TIME', delivered, 'RETRYCOUNT', n, 'FORCE', 'JUSTID')
  if justID then return { i }, false, false end
  return e, false, false
end

-- given notes that consumer was given n messages: one that gets none is not seen.
local function given(g, n)
  if n > 0 and see(g, consumer) then put(g) end
  use()
end
