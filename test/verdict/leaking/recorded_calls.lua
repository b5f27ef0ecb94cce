-- Mocking library: a spy packs the arguments of each call; it was left around a function of the program's inner loop.
local checkpoint = checkpoint or function() end

local unpack = unpack or table.unpack
local select = select

local function pack(...)
  return { n = select("#", ...), ... }
end

local function bound(f, ...)
  local arguments = pack(...)
  return function(...)
    local all = pack(unpack(arguments, 1, arguments.n))
    for i = 1, select("#", ...) do all[all.n + i] = (select(i, ...)) end
    return f(unpack(all, 1, all.n + select("#", ...)))
  end
end

local function spy(f)
  local calls = {}
  return function(...)
    calls[#calls + 1] = { n = select("#", ...), ... } --@leak
    return f(...)
  end, calls
end

local function clamp(value, low, high)
  return math.max(low, math.min(high, value))
end

local clamped, calls = spy(clamp)
local percent = bound(function(low, high, value) return clamped(value, low, high) end, 0, 100)
local byte = bound(function(low, high, value) return clamp(value, low, high) end, 0, 255)

local seed = 12321
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n - 20
end

local sum = 0
for frame = 1, 1500 do
  for _ = 1, 170 do sum = sum + byte(random(300)) end
  for _ = 1, 15 do sum = sum + percent(random(150)) end
  if frame % 50 == 0 then checkpoint() end
end
print(sum, #calls)
