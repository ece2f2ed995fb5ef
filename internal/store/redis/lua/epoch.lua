-- KEYS: the mid limits, a hash by node; the epoch, a hash of its number and its floor. Mids are 19 digits.
local L, E = KEYS[1], KEYS[2]
local call = redis.call
local number, floor = tonumber(call('HGET', E, 'number') or 0), call('HGET', E, 'floor') or '0000000000000000000'

-- begin begins an epoch: no limit that there is now is above its floor.
local function begin(n)
  number = n
  for _, limit in ipairs(call('HVALS', L)) do
    if limit > floor then floor = limit end
  end
  call('HSET', E, 'number', string.format('%.0f', number), 'floor', floor)
end
