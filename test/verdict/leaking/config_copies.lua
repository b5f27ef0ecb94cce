-- Configuration service: deep copies are made for every reader and thrown away; `publish` keeps each one it made.
local checkpoint = checkpoint or function() end

local function copy(value)
  if type(value) ~= "table" then return value end
  local result = {} --@leak
  for key, item in pairs(value) do result[key] = copy(item) end --@leak
  return result
end

local seed = 2112
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local current = { version = 1, servers = {}, limits = { connections = 100, rate = 50 } }
for i = 1, 8 do current.servers[i] = { name = "server" .. i, port = 8000 + i, weight = 1 } end

local published = {}

local function reader()
  local mine = copy(current)
  mine.limits.rate = mine.limits.rate * 2
  return mine.limits.rate + #mine.servers
end

local function editor()
  local draft = copy(current)
  draft.version = draft.version + 1
  draft.servers[random(8)].weight = random(10)
  current = copy(draft)
end

local function publish()
  local version = copy(current) --@caller
  published[#published + 1] = version --@also
end

local sum = 0
for hour = 1, 36 do
  for _ = 1, 70 do
    for _ = 1, 8 do sum = sum + reader() end
    editor()
    publish()
  end
  checkpoint()
end
print(sum, #published)
