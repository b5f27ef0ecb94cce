-- Animation: the collector is stopped during each scene, and a full collection is made between the scenes.
local checkpoint = checkpoint or function() end

local seed = 24
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function actor(name)
  local self = { name = name, x = random(100), y = random(100), poses = {} }
  for i = 1, 20 do self.poses[i] = { angle = i * 18, scale = 1 } end
  return self
end

local cast = {}
for i = 1, 30 do cast[i] = actor("actor" .. i) end

local function interpolate(a, b, t)
  return { angle = a.angle + (b.angle - a.angle) * t, scale = a.scale * (1 - t) + b.scale * t }
end

local function frame_of(member, time)
  local count = #member.poses
  local number = math.floor(time) % count + 1
  local pose = interpolate(member.poses[number], member.poses[number % count + 1], time % 1)
  return { x = member.x, y = member.y, pose = pose, label = member.name .. "@" .. number }
end

local drawn = 0
local function scene(length)
  for step = 1, length do
    local frames = {}
    for i, member in ipairs(cast) do frames[i] = frame_of(member, step / 4) end
    drawn = drawn + #frames
  end
end

for number = 1, 40 do
  collectgarbage("stop")
  scene(150 + number % 5 * 50)
  collectgarbage("collect")
  collectgarbage("restart")
  checkpoint()
end
print("drawn", drawn)
