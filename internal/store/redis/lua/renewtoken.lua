-- ARGV: as in token.lua, then when its lifetime begins again. Replies whether it is there.
local token = call('HGET', T, hash)
if not token then return 0 end
local lifetime = token:match('^%-?%d+')
put(lifetime, tonumber(ARGV[3]) + math.floor(tonumber(lifetime) / 1000000))
return 1
