-- ARGV: epoch, node, limit. Replies number and floor of the epoch that is: where it is a later one the limit is not set. One that Redis has
-- lost is again. Its floor may be lost too, but not that this limit is above it; nor may any limit be that was set since.
local epoch = tonumber(ARGV[1])
if number > epoch then return { number, floor } end
if (call('HGET', L, ARGV[2]) or '') < ARGV[3] then call('HSET', L, ARGV[2], ARGV[3]) end
if number < epoch then begin(epoch) end
return { number, floor }
