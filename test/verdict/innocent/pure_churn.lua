-- Vector arithmetic in the object style: every operation makes a new vector, none is kept.
local checkpoint = checkpoint or function() end

local Vector = {}
Vector.__index = Vector

local function vector(x, y, z) return setmetatable({ x = x, y = y, z = z }, Vector) end

Vector.__add = function(a, b) return vector(a.x + b.x, a.y + b.y, a.z + b.z) end
Vector.__sub = function(a, b) return vector(a.x - b.x, a.y - b.y, a.z - b.z) end
Vector.__mul = function(a, k) return vector(a.x * k, a.y * k, a.z * k) end
function Vector:dot(b) return self.x * b.x + self.y * b.y + self.z * b.z end

local function reflect(v, normal)
  return v - normal * (2 * v:dot(normal))
end

local function trace(origin, direction, depth)
  local length = 0
  for _ = 1, depth do
    origin = origin + direction
    length = length + direction:dot(direction)
    if origin.x < 0 or origin.x > 50 then direction = reflect(direction, vector(1, 0, 0)) end
    if origin.y < 0 or origin.y > 50 then direction = reflect(direction, vector(0, 1, 0)) end
  end
  return length
end

local total = 0
for row = 1, 48 do
  for column = 1, 180 do
    total = total + trace(vector(row, column % 50, 0), vector(column % 7 - 3, row % 5 - 2, 1), 60)
  end
  checkpoint()
end
print("total", total)
