-- Network simulator: packets wait in linked lists, from which they are taken at the head.
local checkpoint = checkpoint or function() end

local List = {}
List.__index = List

local function new_list() return setmetatable({ length = 0 }, List) end

function List:append(value)
  local cell = { value = value }
  if self.tail then self.tail.next = cell else self.head = cell end
  self.tail = cell
  self.length = self.length + 1
end

function List:take()
  local cell = self.head
  if not cell then return nil end
  self.head = cell.next
  if not self.head then self.tail = nil end
  self.length = self.length - 1
  return cell.value
end

local seed = 802
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local links = {}
for i = 1, 16 do links[i] = new_list() end

local sent, arrived, dropped = 0, 0, 0

local function send(packet)
  local link = links[random(16)]
  if link.length >= 120 then
    dropped = dropped + 1
  else
    link:append(packet)
  end
end

local function forward(link)
  local packet = link:take()
  if not packet then return end
  packet.hops = packet.hops + 1
  if packet.hops >= packet.distance then arrived = arrived + 1 else send(packet) end
end

for time = 1, 12000 do
  for _ = 1, 12 do
    sent = sent + 1
    send({ number = sent, hops = 0, distance = 1 + random(4), data = "payload " .. sent % 100 })
  end
  for _, link in ipairs(links) do forward(link) end
  if time % 300 == 0 then checkpoint() end
end
print(sent, arrived, dropped)
