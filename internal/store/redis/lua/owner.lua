-- owned returns in which epoch somebody has the key who shuts out an owner, "EPOCH NAME": another one in the same epoch, or anybody in a later one.
local function owned(owner)
  local v = call('GET', O)
  if not fenced or not v or v == owner then return end
  local epoch = tonumber(v:match('^%d+'))
  if epoch >= tonumber(owner:match('^%d+')) then return epoch end
end
