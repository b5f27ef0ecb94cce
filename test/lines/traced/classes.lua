local function class(parent)
  local new_class = {}
  new_class.__index = new_class
  function new_class.new(...)
    local object = setmetatable({}, new_class)
    object:init(...)
    return object
  end
  return setmetatable(new_class, { __index = parent })
end
local Vector = class()
function Vector:init(x, y)
  self.x, self.y = x, y
end
function Vector.__add(a, b)
  return Vector.new(a.x + b.x, a.y + b.y)
end
local Body = class()
function Body:init(x, y, speed)
  self.position, self.speed = Vector.new(x, y), speed
end
function Body:move()
  self.position = self.position + self.speed
end
local Particle = class(Body)
function Particle:init(name, x, y, speed)
  Body.init(self, x, y, speed)
  self.name = name
end
for i = 1, N do
  local p = Particle.new("p", i, i, Vector.new(1, 2))
  p:move()
  p:move()
  kept[i] = p
end
