-- dropExpired removes all that is expired. But for those in X messages expire in their order, so those that are expired come
-- first once those in X are gone.
local function dropExpired()
  if rec.early then
    for _, m in ipairs(call('ZRANGEBYSCORE', X, '-inf', now)) do call('XDEL', S, id(m)) end
    call('ZREMRANGEBYSCORE', X, '-inf', now)
  end
  local from, dropped = '-', false
  while true do
    local page = call('XRANGE', S, from, '+', 'COUNT', 16)
    for _, e in ipairs(page) do
      if living(e) then
        if dropped then call('XTRIM', S, 'MINID', '=', e[1]) end
        return
      end
      dropped = true
    end
    if #page < 16 then
      if dropped then call('XTRIM', S, 'MAXLEN', '=', 0) end
      return
    end
    from = '(' .. page[16][1]
  end
end

-- cap removes the oldest until at most n are left, and what is expired before any that is not.
local function cap(n)
  if call('XLEN', S) <= n then return end
  if rec.early then dropExpired() end
  call('XTRIM', S, 'MAXLEN', '=', n)
end

-- removed is called when messages were removed.
local function removed()
  local left = call('XLEN', S)
  if left == 0 then
    if rec.groups == 0 then call('DEL', S) end
    call('DEL', X)
    rec.early, rec.x, rec.sd, rec.rd = false, 0, 0, 0
  elseif rec.early then
    local early = call('ZCARD', X)
    if early > 2 * left + 64 then
      local first = mid(call('XRANGE', S, '-', '+', 'COUNT', 1)[1][1])
      for _, m in ipairs(call('ZRANGE', X, 0, -1)) do
        if m < first then early = early - call('ZREM', X, m) end
      end
    end
    rec.early = early > 0
  end
end
