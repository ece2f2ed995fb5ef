-- ARGV: as in token.lua, then lifetime, when it expires.
put(ARGV[3], tonumber(ARGV[4]))
return 1
