-- The groups of a key. What is pending is in Redis's own groups of the stream, with the consumers that it is pending with. What
-- is here besides: where a group is and what it counted, so that nobody has to look at all groups to know that of one, and when
-- a consumer was seen, by our clocks. Each script replies what is missing as its only value, or OK and what was asked for.
local name = ARGV[3] -- of the group; '' is one too

local function group()
  local v = call('HGET', G, name)
  if not v then return nil end
  local last, read, consumers = v:match('^(%d+) (%-?%d+) (%d+)$')
  return { last = last, read = tonumber(read), consumers = tonumber(consumers) }
end

local function put(g) call('HSET', G, name, string.format('%s %.0f %d', g.last, g.read, g.consumers)) end

-- need returns the group, or what is missing.
local function need()
  load()
  if not rec or not rec.exists then return nil, { 'NOKEY' } end
  local g = group()
  if not g then return nil, { 'NOGROUP' } end
  return g
end

-- use notes that a group is used.
local function use()
  if now - rec.used > HOUR / 2 then
    rec.used = now
    save()
  end
end

local function seenField(consumer) return #name .. ':' .. name .. consumer end

-- room tells whether consumer is there, or may be made where there may be most (0: any number).
local function room(g, consumer, most)
  return most == 0 or g.consumers < most or call('HEXISTS', C, seenField(consumer)) == 1
end

-- see notes that a consumer was given something, or asked for it; it is made if it is not there. The group is to be put then.
local function see(g, consumer)
  if call('HSET', C, seenField(consumer), now) == 0 then return false end
  call('XGROUP', 'CREATECONSUMER', S, name, consumer)
  call('PEXPIRE', C, rec.rd - now)
  g.consumers = g.consumers + 1
  return true
end

local function clock()
  local t = call('TIME') -- s, µs
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- pending calls XPENDING, and returns what it replies and the time by Redis's clock when it did: it tells how long ago messages
-- were delivered, not when.
local function pending(...)
  local reply, before, after
  for _ = 1, 10 do
    before = clock()
    reply = call('XPENDING', S, name, ...)
    after = clock()
    if before == after then break end
  end
  return reply, after
end

-- message returns the living message with an id.
local function message(i)
  local e = call('XRANGE', S, i, i)[1]
  if e and living(e) then return e end
end

local function bytes(e) return #field(e, 'v') end
