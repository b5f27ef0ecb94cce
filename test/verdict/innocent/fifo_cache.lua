-- DNS forwarder: the newest 1500 answers are kept in a ring; an older one goes when a new one comes.
local checkpoint = checkpoint or function() end

local LIMIT = 1500
local answers, ring, position = {}, {}, 0
local seed = 53

local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end

local function remember(name, record)
  position = position % LIMIT + 1
  local oldest = ring[position]
  if oldest then answers[oldest] = nil end
  ring[position] = name
  answers[name] = record
end

local function ask_upstream(name)
  local hash = 0
  for i = 1, #name do hash = (hash * 31 + name:byte(i)) % 16777216 end
  local address = string.format("10.%d.%d.%d", math.floor(hash / 65536), math.floor(hash / 256) % 256, hash % 256)
  return { name = name, address = address, ttl = 60 + hash % 600 }
end

local function resolve(name)
  local record = answers[name]
  if not record then
    record = ask_upstream(name)
    remember(name, record)
  end
  return record.address
end

local lengths, asked = 0, 0
for tick = 1, 30 do
  for _ = 1, 3000 do
    asked = asked + 1
    local host = "host" .. random(20000) .. ".example.net"
    lengths = lengths + #resolve(host)
  end
  checkpoint()
end
print(asked, lengths)
