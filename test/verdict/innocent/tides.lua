-- Simulation of an ecosystem: the number of animals swings slowly up and down.
local checkpoint = checkpoint or function() end

local rabbits, foxes = {}, {}
local seed = 1925
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function animal(kind, age)
  return { kind = kind, age = age, energy = 10 + random(10), trail = { random(50), random(50) } }
end

-- How many there should be at a time, from a table of a slow wave.
local WAVE = { 0, 38, 71, 92, 100, 92, 71, 38, 0, -38, -71, -92, -100, -92, -71, -38 }
local function wanted(time, mean, swing)
  local place = math.floor(time / 60) % 16 + 1
  return mean + math.floor(swing * WAVE[place] / 100)
end

local function settle(list, kind, count)
  while #list < count do list[#list + 1] = animal(kind, 0) end
  while #list > count do
    local victim = random(#list)
    list[victim] = list[#list]
    list[#list] = nil
  end
end

local function live(list)
  local energy = 0
  for i, one in ipairs(list) do
    one.age = one.age + 1
    one.trail = { one.trail[2], random(50) }
    if one.age > 90 then list[i] = animal(one.kind, 0) end
    energy = energy + one.energy
  end
  return energy
end

local energy = 0
for time = 1, 4320 do
  if time % 2 == 0 then
    settle(rabbits, "rabbit", wanted(time, 420, 260))
    settle(foxes, "fox", wanted(time + 200, 60, 35))
    energy = energy + live(rabbits) + live(foxes)
  end
  if time % 90 == 0 then checkpoint() end
end
print(#rabbits, #foxes, energy)
