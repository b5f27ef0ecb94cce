-- Image server: thumbnails in a cache of 400, the least recently used one goes first.
local checkpoint = checkpoint or function() end

local LRU = {}
LRU.__index = LRU

function LRU.new(limit)
  local cache = setmetatable({ limit = limit, size = 0, map = {} }, LRU)
  cache.head = { key = "head" }
  cache.tail = { key = "tail", before = cache.head }
  cache.head.after = cache.tail
  return cache
end

local function unlink(node)
  node.before.after = node.after
  node.after.before = node.before
end

function LRU:front(node)
  local first = self.head.after
  node.before, node.after = self.head, first
  self.head.after, first.before = node, node
end

function LRU:get(key)
  local node = self.map[key]
  if not node then return nil end
  unlink(node)
  self:front(node)
  return node.value
end

function LRU:put(key, value)
  local node = { key = key, value = value }
  self.map[key] = node
  self:front(node)
  self.size = self.size + 1
  if self.size > self.limit then
    local last = self.tail.before
    unlink(last)
    self.map[last.key] = nil
    self.size = self.size - 1
  end
end

local seed = 3
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function thumbnail(name)
  local rows = {}
  for y = 1, 12 do rows[y] = string.char(33 + (#name + y) % 90):rep(30 + y) .. name end
  return table.concat(rows)
end

local cache = LRU.new(400)
local hits, bytes = 0, 0
for round = 1, 32 do
  for _ = 1, 1000 do
    local name = "image" .. math.min(random(4000), random(4000)) .. ".png"
    local image = cache:get(name)
    if image then
      hits = hits + 1
    else
      image = thumbnail(name)
      cache:put(name, image)
    end
    bytes = bytes + #image
  end
  checkpoint()
end
print(hits, bytes)
