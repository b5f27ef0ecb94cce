-- Weak tables: values, keys, both, and entries that come and go.
local values = setmetatable({}, { __mode = "v" })
local keys = setmetatable({}, { __mode = "k" })
local both = setmetatable({}, { __mode = "kv" })
local strong = {}
local function count(t) local n = 0 for _ in pairs(t) do n = n + 1 end return n end

for i = 1, 3000 do
  local object = { i }
  values[i] = object
  keys[object] = { i }
  both[object] = object
  if i % 100 == 0 then strong[#strong + 1] = object end
end
collectgarbage()
collectgarbage()
print(count(values), count(keys), count(both), #strong)
strong = nil
collectgarbage()
collectgarbage()
print(count(values), count(keys), count(both))

local cache = setmetatable({}, { __mode = "v" })
local hits = 0
for round = 1, 50 do
  local pinned = {}
  for i = 1, 40 do
    local key = "key" .. i % 20
    local found = cache[key]
    if found then hits = hits + 1 else found = { key } cache[key] = found end
    pinned[i] = found
  end
end
print(hits >= 1000)
