-- KEYS: the mid limits, a hash by node. ARGV: node, limit, 19 digits. A lower one than before is ignored.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') < ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 1
