-- ARGV: now, since. Replies since alone, or last, added, since, exists, length, first (0: none).
load()
if not rec then return { since } end
local first = call('XRANGE', S, '-', '+', 'COUNT', 1)[1]
return { rec.last, rec.added, rec.since, rec.exists and 1 or 0, call('XLEN', S), first and mid(first[1]) or 0 }
