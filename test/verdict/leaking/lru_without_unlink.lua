-- An LRU cache that takes evicted entries out of its map, but not out of its list.
local checkpoint = checkpoint or function() end
local Cache = { map = {}, size = 0, limit = 200 }
function Cache:get(key)
  local node = self.map[key]
  return node and node.value
end
function Cache:put(key, value)
  local node = { key = key, value = value } --@leak
  node.next = self.head
  self.head = node
  if not self.tail then self.tail = node end
  node.back = nil
  if node.next then node.next.back = node end
  self.map[key] = node
  self.size = self.size + 1
  while self.size > self.limit do
    self.map[self.tail.key] = nil
    self.tail = self.tail.back
    self.size = self.size - 1
    self.evicted = self.evicted or {}
  end
end
local function render(page)
  local parts = {}
  for i = 1, 10 do parts[i] = "<li>" .. page * i .. "</li>" end
  return table.concat(parts) --@leak
end
local hits = 0
for request = 1, 20000 do
  local page = (request * 7919) % 100003
  if request % 3 == 0 then page = request % 150 end
  if Cache:get(page) then hits = hits + 1 else Cache:put(page, render(page)) end
  if request % 500 == 0 then checkpoint() end
end
print(hits)
