-- ARGV: now, since, owner, 1: it is written in any case. Replies -1 and the epoch of who has the key; or else what info.lua does.
local epoch = owned(ARGV[3])
if epoch then return { -1, epoch } end
if ARGV[4] == '1' or call('GET', O) ~= ARGV[3] or call('PTTL', O) < 7 * DAY / 2 then
  call('SET', O, ARGV[3], 'PX', 7 * DAY)
end
