local V = {}
V.__index = V
local function vector(x, y) return setmetatable({ x = x, y = y }, V) end
V.__add = function(a, b) return vector(a.x + b.x, a.y + b.y) end
V.__mul = function(a, k)
  return vector(a.x * k, a.y * k)
end
V.__unm = function(a) return vector(-a.x, -a.y) end
V.__concat = function(a, b)
  return { a, b }
end
V.__call = function(self, i) return { self.x, i } end
V.__lt = function(a, b)
  other[a.x] = { a.x, "lt" }
  return a.x < b.x
end
V.__le = function(a, b) local t = { a.x <= b.x }
  other[a.x + N] = t
  return t[1]
end
V.__eq = function(a, b)
  other[a.x] = { a, b, 3 }
  return a.x == b.x
end
V.__tostring = function(a)
  list[a.x] = { "text" }
  return "vector"
end
for i = 1, N do
  local v, w = vector(i, 1), vector(i + 1, 2)
  kept[i] = (v + w) * 2
  kept[i + N] = -v .. w
  kept[i + 2 * N] = w(i)
  if v < w then
    list[i + N] = { i }
  end
  local larger = v <= w and w or v
  if larger == v then list[i + 2 * N] = { 1, 2 } end
  list[i + 3 * N] = { larger, tostring(v) }
end
