local V = {}
V.__index = V
local function new(x, y)
  return setmetatable({ x = x, y = y }, V)
end
V.__add = function(a, b)
  return new(a.x + b.x, a.y + b.y)
end
V.__mul = function(a, s)
  return new(a.x * s, a.y * s)
end
V.__concat = function(a, b)
  return "v" .. a.x .. b.x
end
V.__index = function(t, k)
  return { k }
end
local one = new(1, 2)
for i = 1, N do
  local a = new(i, i)
  local b = a + one
  local c = (a + b) *
    3
  kept[i] = c
  list[#list + 1] = b
  kept[-i] = a .. b
  other[i] = a.foo
  other[-i] = a
end
