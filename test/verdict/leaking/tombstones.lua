-- Signal library: unsubscribing puts `false` in the slot so that numbers stay valid; slots are never used again, and
-- the list of a signal only grows.
local checkpoint = checkpoint or function() end

local Signal = {}
Signal.__index = Signal

function Signal.new()
  return setmetatable({ slots = {}, size = 0, first = 1 }, Signal)
end

function Signal:connect(slot)
  self.size = self.size + 1
  self.slots[self.size] = slot --@leak
  return self.size
end

function Signal:disconnect(number)
  self.slots[number] = false
  while self.slots[self.first] == false do self.first = self.first + 1 end
end

function Signal:emit(...)
  for i = self.first, self.size do
    local slot = self.slots[i]
    if slot then slot(...) end
  end
end

local signals = {}
for i = 1, 12 do signals[i] = Signal.new() end

local seed = 256
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local heard = 0
local function with_listener(signal, action)
  local own = 0
  local number = signal:connect(function(value) own = own + value end)
  action()
  signal:disconnect(number)
  heard = heard + own
end

for round = 1, 48 do
  for _ = 1, 6500 do
    -- Some signals are used more than others, so their lists do not all double at once.
    local signal = signals[math.max(random(12), random(12))]
    with_listener(signal, function()
      signal:emit(1)
      signal:emit(random(3))
    end)
  end
  checkpoint()
end
print("heard", heard)
