-- Login tokens live for twenty minutes; a sweep every five minutes takes out those that are over.
local checkpoint = checkpoint or function() end
local tokens, swept = {}, 0
local x = 8
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
local function login(now)
  local token = ("%08x%08x"):format(random(2147483646), random(2147483646))
  tokens[token] = { user = "user" .. random(5000), till = now + 20, rights = { "read", "write" } }
end
local function sweep(now)
  local left = {}
  for token, entry in pairs(tokens) do
    if entry.till > now then left[token] = entry else swept = swept + 1 end
  end
  tokens = left
end
for minute = 1, 600 do
  for _ = 1, 20 + random(20) do login(minute) end
  if minute % 5 == 0 then sweep(minute) end
  if minute % 15 == 0 then checkpoint() end
end
print(swept)
