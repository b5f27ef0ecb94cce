-- Visitor counter: the set of identifiers seen today is never emptied at midnight.
local checkpoint = checkpoint or function() end
local Seen = {}
local visitors = 0
local function visit(id)
  if not Seen[id] then
    Seen[id] = true --@also
    visitors = visitors + 1
  end
end
local function request(n)
  local cookie = "v=" .. n * 7919 % 1000003 --@leak
  local headers = { host = "example.org", cookie = cookie }
  visit(headers.cookie)
  return #headers.host
end
local bytes = 0
for day = 1, 40 do
  for n = 1, 1000 do
    bytes = bytes + request(day * 1000 + n)
    for _ = 1, 3 do request(n % 10) end
  end
  checkpoint()
end
print(visitors, bytes)
