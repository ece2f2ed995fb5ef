-- ARGV: an epoch that is known to have been. Replies number and floor of the one that begins.
begin(math.max(number, tonumber(ARGV[1])) + 1)
return { number, floor }
