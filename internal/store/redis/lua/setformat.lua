-- KEYS: what gopush knows of this Redis, a hash. ARGV: version of the format, when this is called as a mid.
-- Replies the version that is there, and since when; both are written where they are not.
redis.call('HSETNX', KEYS[1], 'version', ARGV[1])
redis.call('HSETNX', KEYS[1], 'created', ARGV[2])
return redis.call('HMGET', KEYS[1], 'version', 'created')
