-- ARGV: now, since, cap, who appends ('': it is not asked), then for each entry: mid, prev, expires, gid, form, payload, keep, least id to keep; and id.
-- KEYS after the six: idempotency keys of some entries; then ARGV ends with: the window, 1 if what is before the first entry was
-- refused, and for each of them the number of its entry, from 1.
-- Replies how many entries, from the first on, are stored, and the key's last mid before; then the number of each entry whose
-- idempotency key was stored before, and the first mid. Or -1, and the epoch of who owns the key. After one that is not stored none is: the later ones were to follow it.
local most = tonumber(ARGV[3])
if fenced and ARGV[4] ~= '' then
  local epoch = owned(ARGV[4])
  if epoch then return { -1, epoch } end
end
load()
local before, stored, trimmed = rec and rec.last or ZERO, 0, false

local idem, last, window, refused = {}, #ARGV, 0, false -- idem: by number of entry
if #KEYS > 6 then
  local n = #KEYS - 6
  last = #ARGV - n - 2
  window, refused = tonumber(ARGV[last + 1]), ARGV[last + 2] == '1'
  for i = 1, n do idem[tonumber(ARGV[last + 2 + i])] = KEYS[6 + i] end
end

-- first returns the mid that was stored with an idempotency key, nil: it is new.
local function first(name)
  local v = call('GET', name)
  if not v then return end
  local m, expires = v:match('^(%d+) (%d+)$')
  if tonumber(expires) > now then return m end
end

-- know has an idempotency key known as m.
local function know(name, m)
  call('SET', name, string.format('%s %.0f', m, now + window), 'PX', string.format('%.0f', window + MINUTE))
end

-- add puts the entry whose arguments begin with the ith into S. Where messages expire in their order the cap is kept with it.
local function add(i)
  local m, prev, expires = ARGV[i], ARGV[i + 1]:match('^0*(%d+)$'), tonumber(ARGV[i + 2])
  if expires < rec.x then
    call('ZADD', X, expires, m)
    rec.early = true
    rec.sd = 0 -- X may be new
  else
    rec.x = expires
  end
  if most > 0 and not rec.early then
    call('XADD', S, 'MAXLEN', '=', most, ARGV[i + 8], 'p', prev, 'x', ARGV[i + 2], 'g', ARGV[i + 3], 'f', ARGV[i + 4], 'v', ARGV[i + 5])
  else
    call('XADD', S, ARGV[i + 8], 'p', prev, 'x', ARGV[i + 2], 'g', ARGV[i + 3], 'f', ARGV[i + 4], 'v', ARGV[i + 5])
  end
  rec.last, rec.added, stored = m, rec.added + 1, stored + 1
end

-- trim does what the entry whose arguments begin with the ith says of older ones.
local function trim(i)
  local keep, min = tonumber(ARGV[i + 6]), ARGV[i + 7]
  if keep ~= 0 then cap(math.max(keep, 0)) end
  if min ~= '' then call('XTRIM', S, 'MINID', '=', min) end
  trimmed = trimmed or keep ~= 0 or min ~= ''
end

-- put stores the entry whose arguments begin with the ith, or returns false.
local function put(i)
  if fenced and ARGV[i + 1] ~= (rec and rec.last or ZERO) or ARGV[i] <= ARGV[i + 1] then return false end
  if not rec then make() end
  add(i)
  if ARGV[i + 6] ~= '0' or ARGV[i + 7] ~= '' then trim(i) end
  return true
end

local firsts = {}
for i = 5, last, 9 do
  local n = (i - 5) / 9 + 1
  local name = idem[n]
  local m = name and first(name)
  if m then
    refused = true
    firsts[#firsts + 1], firsts[#firsts + 2] = n, m
  elseif not refused then
    refused = not put(i)
    if name and not refused then know(name, ARGV[i]) end
  end
  if refused and #KEYS == 6 then break end
end
if stored > 0 then
  rec.exists, rec.used = true, now
  if rec.sd < now + MINUTE then rec.sd = 0 end -- S may be new: Redis may have forgotten the one that was
  if most > 0 and rec.early then
    cap(most)
    trimmed = true
  end
  if trimmed then removed() end
  save()
end
return { stored, before, unpack(firsts) }
