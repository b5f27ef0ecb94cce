-- Game loop that stops the collector while it draws and lets it run between levels; the replay is never cleared.
local checkpoint = checkpoint or function() end

local replay = {}
local seed = 60
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function input()
  return { up = random(2) == 1, fire = random(9) == 1, x = random(320), y = random(200) }
end

local function record(frame, keys)
  if keys.fire or frame % 4 == 0 then
    replay[#replay + 1] = { frame = frame, x = keys.x, y = keys.y, fire = keys.fire } --@leak
  end
end

local function draw(keys)
  local sprites = {}
  for i = 1, 12 do sprites[i] = { x = (keys.x + i * 7) % 320, y = keys.y, name = "sprite" .. i } end
  local covered = 0
  for _, sprite in ipairs(sprites) do covered = covered + sprite.x % 8 end
  return covered
end

local covered, frame = 0, 0
for level = 1, 48 do
  collectgarbage("stop")
  for _ = 1, 650 do
    frame = frame + 1
    local keys = input()
    record(frame, keys)
    covered = covered + draw(keys)
  end
  collectgarbage("restart")
  collectgarbage()
  checkpoint()
end
print(covered, #replay)
