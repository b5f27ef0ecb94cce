-- Allocator for network packets: freed packets go to a linked list, but new ones never come from it.
local checkpoint = checkpoint or function() end

local free_packets = nil
local freed, taken = 0, 0

local function new_packet(size)
  taken = taken + 1
  return { size = size, sequence = taken, payload = false, next = false } --@leak
end

local function free_packet(packet)
  packet.payload = false
  packet.next = free_packets
  free_packets = packet
  freed = freed + 1
end

local seed = 1066
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function checksum(text)
  local sum = 0
  for i = 1, #text, 2 do sum = (sum * 33 + text:byte(i)) % 65521 end
  return sum
end

local function receive()
  local packet = new_packet(40 + random(60))
  packet.payload = ("data" .. random(1000)):rep(math.floor(packet.size / 8))
  return packet
end

local sum = 0
for tick = 1, 60 do
  local window = {}
  for _ = 1, 1200 do
    local packet = receive()
    window[#window + 1] = packet
    if #window > 16 then
      local first = table.remove(window, 1)
      sum = (sum + checksum(first.payload)) % 1000003
      free_packet(first)
    end
  end
  checkpoint()
end
print(freed, taken, sum)
