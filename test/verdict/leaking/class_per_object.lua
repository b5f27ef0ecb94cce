-- Object system: `extend` is called for each monster instead of once for each kind, and classes are never forgotten.
local checkpoint = checkpoint or function() end

local Object = { classes = {} }
Object.__index = Object

function Object:extend(name)
  local class = { name = name, super = self, abilities = {} } --@leak
  class.__index = class
  setmetatable(class, { __index = self, __tostring = function() return "class " .. name end }) --@leak
  Object.classes[#Object.classes + 1] = class --@also
  return class
end

function Object:new(fields) return setmetatable(fields, self) end
function Object:describe() return self.name .. " with " .. self.health .. " health" end

local Monster = Object:extend("Monster")
function Monster:hit(damage)
  self.health = self.health - damage
  return self.health <= 0
end

local seed = 666
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function spawn(kind)
  local class = Monster:extend(kind)
  return class:new({ health = 20 + random(40), x = random(100), y = random(100) })
end

local KINDS = { "Rat", "Bat", "Slime", "Ghoul" }
local text = 0

local function fight()
  local monster = spawn(KINDS[random(#KINDS)])
  local blows = {}
  repeat
    blows[#blows + 1] = { damage = random(12), text = monster:describe() }
  until monster:hit(blows[#blows].damage)
  for _, blow in ipairs(blows) do text = text + #blow.text end
end

for round = 1, 35 do
  for _ = 1, 800 do fight() end
  checkpoint()
end
print(#Object.classes, text)
