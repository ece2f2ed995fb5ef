-- ARGV: now, since, cap, then for each entry: mid, prev, expires, gid, form, payload, keep, least id to keep; and id.
-- Replies how many entries, from the first on, are stored, and the key's last mid before. After one that is refused all are: the
-- later ones were to follow it.
local most = tonumber(ARGV[3])
load()
local before, stored, trimmed = rec and rec.last or ZERO, 0, false

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

for i = 4, #ARGV, 9 do
  if ARGV[i + 1] ~= (rec and rec.last or ZERO) or ARGV[i] <= ARGV[i + 1] then break end
  if not rec then make() end
  add(i)
  if ARGV[i + 6] ~= '0' or ARGV[i + 7] ~= '' then trim(i) end
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
return { stored, before }
