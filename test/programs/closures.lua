-- Closures and upvalues: open, closed, shared, in loops, and as objects.
local kept = {}

local function counter()
  local n = 0
  return function() n = n + 1 return n end, function() n = 0 end
end

for i = 1, 2000 do
  local increment, reset = counter()
  increment()
  kept[i] = { increment, reset }
end
print(kept[1][1](), kept[2000][1]())

local functions = {}
for i = 1, 500 do
  local j = i
  functions[i] = function() j = j + i return j end
end
local sum = 0
for i = 1, 500 do sum = sum + functions[i]() end
print(sum)

local function many(a, b, c, d, e)
  return function() return function() return a, b, c, d, e, function() a = a + 1 end end end
end
for i = 1, 300 do kept[#kept + 1] = many(i, {}, "x", nil, i)()  end
print(#kept)

-- Upvalues that stay open while a coroutine sleeps.
local sleepers = {}
for i = 1, 200 do
  local co = coroutine.wrap(function()
    local state = { i }
    local function touch() state[1] = state[1] + 1 return state[1] end
    while true do coroutine.yield(touch) end
  end)
  sleepers[i] = { co, co() }
end
local total = 0
for i = 1, 200 do total = total + sleepers[i][2]() end
print(total)

local Object = {}
Object.__index = Object
function Object.new(x) return setmetatable({ x = x, get = function(self) return self.x end }, Object) end
function Object:double() return Object.new(self.x * 2) end
local object = Object.new(1)
for _ = 1, 20 do object = object:double() end
print(object:get())
