-- Ray caster that pays for its garbage with a collector step per frame; its profiler keeps one sample per column.
local checkpoint = checkpoint or function() end

local profile = {}
local MAP = { "##########", "#........#", "#..##....#", "#......#.#", "#.#......#", "#........#", "##########" }

local function solid(x, y)
  local row = MAP[math.floor(y) + 1]
  return row == nil or row:sub(math.floor(x) + 1, math.floor(x) + 1) ~= "."
end

local function cast(x, y, dx, dy)
  local ray = { x = x, y = y, steps = 0 }
  while not solid(ray.x, ray.y) do
    ray.x, ray.y, ray.steps = ray.x + dx * 0.25, ray.y + dy * 0.25, ray.steps + 1
  end
  return ray
end

local Profiler = {}
function Profiler.sample(frame, column, steps)
  table.insert(profile, { frame, column, steps }) --@leak
end

local function draw(frame)
  local image = {}
  for column = 1, 24 do
    local dx = (column - 12.5) / 12.5
    local ray = cast(4.5, 2.5 + frame % 3, dx, 1 - math.abs(dx) * 0.5)
    image[column] = { height = 60 / (ray.steps + 1), shade = ray.steps % 8 }
    if column % 6 == 0 then Profiler.sample(frame, column, ray.steps) end
  end
  return image
end

local shades = 0
for frame = 1, 4500 do
  for _, column in ipairs(draw(frame)) do shades = shades + column.shade end
  collectgarbage("step", 10)
  if frame % 90 == 0 then checkpoint() end
end
print(shades, #profile)
