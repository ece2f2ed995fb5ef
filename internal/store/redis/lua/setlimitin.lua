-- ARGV: epoch, node, limit. Replies number and floor of the epoch that is: where it is a later one the limit is not set. After one that Redis
-- has lost another one begins, above this limit, since owners may be lost, too.
local epoch = tonumber(ARGV[1])
if not fenced then number = epoch end
if number > epoch then return { number, floor } end
if (call('HGET', L, ARGV[2]) or '') < ARGV[3] then call('HSET', L, ARGV[2], ARGV[3]) end
if number < epoch then begin(epoch + 1) end
return { number, floor }
