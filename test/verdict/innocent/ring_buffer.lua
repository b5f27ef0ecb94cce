-- Telemetry: the last 4096 readings in a ring, written over again and again.
local checkpoint = checkpoint or function() end

local Ring = {}
Ring.__index = Ring

function Ring.new(size)
  local ring = setmetatable({ size = size, at = 0, slots = {} }, Ring)
  return ring
end

function Ring:push(value)
  self.at = self.at % self.size + 1
  self.slots[self.at] = value
end

function Ring:average(field)
  local sum, count = 0, 0
  for _, reading in ipairs(self.slots) do
    sum, count = sum + reading[field], count + 1
  end
  return math.floor(sum / count)
end

local seed = 91
local function sensor(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end

local ring = Ring.new(4096)
local averages, time = {}, 0
for tick = 1, 40 do
  for _ = 1, 9000 do
    time = time + 1
    ring:push({ time = time, temperature = sensor(40), pressure = 950 + sensor(100), label = "s" .. time % 64 })
  end
  averages[tick % 5 + 1] = ring:average("temperature") + ring:average("pressure")
  checkpoint()
end
print(table.concat(averages, " "))
