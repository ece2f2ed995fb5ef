-- ARGV: now, since, cap, then for each entry: mid, prev, expires, gid, form, payload, keep, minmid.
-- Replies how many entries, from the first on, are stored, and the key's last mid before. After one that is refused all are: the
-- later ones were to follow it.
local most = tonumber(ARGV[3])
load()
local before, stored, trimmed = rec and rec.last or ZERO, 0, false
for i = 4, #ARGV, 8 do
  local m, prev, expires = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  if prev ~= (rec and rec.last or ZERO) or m <= prev then break end
  if not rec then make() end
  call('XADD', S, id(m), 'p', prev:match('^0*(%d+)$'), 'x', ARGV[i + 2], 'g', ARGV[i + 3], 'f', ARGV[i + 4], 'v', ARGV[i + 5])
  rec.last, rec.added, stored = m, rec.added + 1, stored + 1
  if expires < rec.x then
    if call('ZADD', X, expires, m) == 1 and rec.sd > now then call('PEXPIRE', X, math.max(MINUTE, rec.sd - now)) end
  else
    rec.x = expires
  end
  local keep, min = tonumber(ARGV[i + 6]), ARGV[i + 7]
  if keep ~= 0 then
    cap(math.max(keep, 0))
    trimmed = true
  end
  if min ~= '' then
    call('XTRIM', S, 'MINID', '=', id(min))
    trimmed = true
  end
end
if stored > 0 then
  rec.exists, rec.used = true, now
  local length = call('XLEN', S)
  if length <= stored then rec.sd = 0 end -- it may be new
  if most > 0 and length > most then
    cap(most)
    trimmed = true
  end
  if trimmed then removed() end
  save()
end
return { stored, before }
