-- KEYS: the tokens of a key, a hash: "LIFETIME EXPIRES" by hash of token. ARGV: now, hash; more follows. Lifetimes are ns, times ms.
local T, now, hash = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local call = redis.call
local REMEMBER = 30 * 86400000

-- put writes a token. Those that are expired for so long that nobody asks for them are forgotten.
local function put(lifetime, expires)
  call('HSET', T, hash, lifetime .. ' ' .. string.format('%.0f', expires))
  local left = math.max(expires - now, 0) + REMEMBER
  call('PEXPIRE', T, left, 'NX')
  call('PEXPIRE', T, left, 'GT')
  if call('HLEN', T) % 64 > 0 then return end
  local all = call('HGETALL', T)
  for i = 1, #all, 2 do
    if tonumber(all[i + 1]:match(' (%-?%d+)$')) < now - REMEMBER then call('HDEL', T, all[i]) end
  end
end
