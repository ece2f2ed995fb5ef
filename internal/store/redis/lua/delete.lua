-- ARGV: now, since, then ids; none: all of the key. Replies how many living messages there were.
load()
if not rec or not rec.exists then return 0 end
dropExpired()
local n = 0
if #ARGV == 2 then
  n = call('XLEN', S)
  call('DEL', S, X, G, C)
  rec.exists, rec.groups = false, 0
end
for i = 3, #ARGV do n = n + call('XDEL', S, ARGV[i]) end
removed()
save()
return n
