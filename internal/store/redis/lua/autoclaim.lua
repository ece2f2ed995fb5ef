-- ARGV: as in claiming.lua, then id from which on, most messages. Replies entries or ids, ids of what is gone, where to go on ('': that was all).
local g, missing = need()
if missing then return missing end
if not room(g, consumer, tonumber(ARGV[11])) then return { 'FULL' } end
local from, limit = ARGV[12], tonumber(ARGV[13])
local claimed, gone, looked = {}, {}, 0

local function walk()
  while true do
    local page, at = pending(from, '+', 64)
    for _, p in ipairs(page) do
      if #claimed + #gone >= limit or looked >= 10 * limit then return p[1] end
      local e, lost, full = claim(p[1], p, at)
      if full then return p[1] end
      if e then claimed[#claimed + 1] = e elseif lost then gone[#gone + 1] = p[1] end
      looked = looked + 1
    end
    if #page < 64 then return '' end
    from = '(' .. page[64][1]
  end
end

local next = walk()
given(g, #claimed)
return { 'OK', claimed, gone, next }
