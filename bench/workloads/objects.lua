-- Objects: classes, inheritance, methods and operators through metatables.
--
-- Mental model: particles fly about in a box. Each step of each particle makes a few short-lived vectors (through
-- __add and __mul), calls methods that are found through an __index chain, and now and then posts an event
-- object, which a bounded journal keeps for a while. So there is much churn from many call paths, and a moderate
-- population of objects that live for a middling time.
--
-- Argument: the number of steps (default 1500).

local STEP_COUNT = tonumber((...)) or 1500
local PARTICLE_COUNT = 800
local JOURNAL_SIZE = 5000
local BOX = 1000

local seed = 7
local function random(limit)
  seed = (seed * 16807) % 2147483647
  return seed % limit
end

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
function Vector.__mul(a, factor)
  return Vector.new(a.x * factor, a.y * factor)
end

local Event = class()
function Event:init(kind, subject, step)
  self.kind, self.subject, self.step = kind, subject, step
end

local Journal = class()
function Journal:init()
  self.entries, self.posted = {}, 0
end
function Journal:post(event)
  self.entries[self.posted % JOURNAL_SIZE + 1] = event
  self.posted = self.posted + 1
end

local Body = class()
function Body:init(x, y, speed)
  self.position, self.speed = Vector.new(x, y), speed
end
function Body:move()
  self.position = self.position + self.speed * 2
end

local Particle = class(Body)
function Particle:init(name, x, y, speed)
  Body.init(self, x, y, speed)
  self.name = name
end
function Particle:bounce(axis, journal, step)
  local place = self.position[axis]
  if place < 0 or place > BOX then
    self.speed = Vector.new(self.speed.x, self.speed.y)
    self.speed[axis] = -self.speed[axis]
    journal:post(Event.new(axis, self, step))
  end
end
function Particle:step(journal, step)
  self:move()
  self:bounce("x", journal, step)
  self:bounce("y", journal, step)
end

local function make_particles()
  local particles = {}
  for index = 1, PARTICLE_COUNT do
    local speed = Vector.new(random(21) - 10, random(21) - 10)
    particles[index] = Particle.new("particle " .. index, random(BOX), random(BOX), speed)
  end
  return particles
end

local journal = Journal.new()
local particles = make_particles()
for step = 1, STEP_COUNT do
  for index = 1, PARTICLE_COUNT do
    particles[index]:step(journal, step)
  end
end

local checksum = 0
for _, particle in ipairs(particles) do
  checksum = checksum + particle.position.x * 3 + particle.position.y
end
print(string.format("objects %d: checksum %d, %d events posted, %d kept",
  STEP_COUNT, checksum, journal.posted, #journal.entries))
