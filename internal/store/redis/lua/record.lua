-- What is kept of one key, all in one slot of a Redis Cluster. Mids are 19 digits here: as strings they compare as the numbers
-- do, which would not be exact in Lua. Times are ms since the epoch, by the clock of the node that calls.
local R = KEYS[1] -- record: the fields of rec below, in their order, as text
local S = KEYS[2] -- stream of messages: p(rev) x (expires) g(id) f(orm) v (payload); its groups have what is pending
local X = KEYS[3] -- sorted set of those mids that expire before an older message does, by when
local G = KEYS[4] -- hash, by group: "LAST READ CONSUMERS"
local C = KEYS[5] -- hash, by group and consumer: when it was seen
local O = KEYS[6] -- who owns the key, "EPOCH NAME": no part of the record, and there whatever becomes of it; Redis forgets it after a week
local now, since = tonumber(ARGV[1]), ARGV[2]
local call = redis.call

local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
local REMEMBER = 30 * DAY + HOUR -- use is noted to the half hour
local ZERO = '0000000000000000000'

local rec -- nil: none

local function id(mid) return string.format('%.0f-%d', mid:sub(1, 15), mid:sub(16)) end

local function mid(id)
  local ms, seq = id:match('^(%d+)%-(%d+)$')
  return string.format('%015.0f%04d', ms, seq)
end

-- load reads the record, and forgets one that is old enough.
local function load()
  local v = call('GET', R)
  if not v then return end
  local last, added, since, used, x, exists, groups, early, sd, rd =
    v:match('^(%d+) (%d+) (%d+) (%d+) (%d+) (%d) (%d+) (%d) (%d+) (%d+)$')
  rec = {
    last = last, -- mid
    added = tonumber(added),
    since = since, -- mid
    used = tonumber(used), -- when something was appended, or a group used
    x = tonumber(x), -- no message expires after
    exists = exists == '1',
    groups = tonumber(groups), -- how many
    early = early == '1', -- there may be some in X
    sd = tonumber(sd), -- when Redis forgets S and X
    rd = tonumber(rd), -- when Redis forgets the rest
  }
  if math.max(rec.used + REMEMBER, rec.x) <= now then
    if not reads then call('DEL', R, S, X, G, C) end
    rec = nil
  end
end

-- make begins a record; what Redis has of an older one is gone.
local function make()
  call('DEL', S, X, G, C)
  rec = { last = ZERO, added = 0, since = since, used = now, x = 0, exists = false, groups = 0, early = false, sd = 0, rd = 0 }
end

-- save writes the record, and has Redis forget the key in time: messages when the last has expired, where there are no groups.
local function save()
  local all, messages = false, false
  local keep = math.max(rec.used + REMEMBER, rec.x)
  if keep > rec.rd then all, rec.rd = true, keep + DAY end
  local wanted = rec.groups > 0 and rec.rd or rec.x
  if wanted > rec.sd then
    messages = true
    rec.sd = rec.groups > 0 and rec.rd or math.min(rec.rd, rec.x + math.max(MINUTE, math.floor((rec.x - now) / 8)))
  end
  local v = string.format('%s %d %s %d %d %d %d %d %d %d', rec.last, rec.added, rec.since, rec.used, rec.x,
    rec.exists and 1 or 0, rec.groups, rec.early and 1 or 0, rec.sd, rec.rd)
  if all then
    local left = string.format('%d', rec.rd - now)
    call('SET', R, v, 'PX', left)
    if rec.groups > 0 then
      call('PEXPIRE', G, left)
      call('PEXPIRE', C, left)
    end
  else
    call('SET', R, v, 'KEEPTTL')
  end
  if messages then
    local left = math.max(MINUTE, rec.sd - now)
    call('PEXPIRE', S, left)
    if rec.early then call('PEXPIRE', X, left) end
  end
end

-- field returns a field of an entry of S.
local function field(e, name)
  local f = e[2]
  for i = 1, #f, 2 do
    if f[i] == name then return f[i + 1] end
  end
end

local function living(e) return tonumber(field(e, 'x')) > now end
