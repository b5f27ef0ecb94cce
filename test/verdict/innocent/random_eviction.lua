-- Proxy cache of 1200 answers; when it is full, any one of them has to go.
local checkpoint = checkpoint or function() end

local LIMIT = 1200
local Cache = { entries = {}, slots = {}, size = 0, evicted = 0 }

local seed = 6021
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

function Cache:store(key, body)
  local slot
  if self.size < LIMIT then
    self.size = self.size + 1
    slot = self.size
  else
    slot = random(LIMIT)
    self.entries[self.slots[slot]] = nil
    self.evicted = self.evicted + 1
  end
  self.slots[slot] = key
  self.entries[key] = { body = body, size = #body, hits = 0 }
end

function Cache:fetch(key)
  local entry = self.entries[key]
  if entry then
    entry.hits = entry.hits + 1
    return entry.body
  end
end

local function origin(key)
  local parts = {}
  for i = 1, 5 do parts[i] = key .. "/" .. i .. "?" .. (#key * i) end
  return table.concat(parts, "&")
end

local function get(key)
  local body = Cache:fetch(key)
  if not body then
    body = origin(key)
    Cache:store(key, body)
  end
  return body
end

local bytes = 0
for minute = 1, 44 do
  for _ = 1, 2400 do
    -- Interest moves on slowly, so old keys are asked for less and less.
    bytes = bytes + #get("doc" .. minute * 40 + random(2500))
  end
  checkpoint()
end
print(Cache.size, Cache.evicted > 0, bytes > 0)
