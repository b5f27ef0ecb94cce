-- Map server: a large map is loaded at the start; beside it, one short note per request stays.
local checkpoint = checkpoint or function() end

local seed = 3141
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local map = {}
local function load_map(size)
  for y = 1, size do
    local row = {}
    for x = 1, size do row[x] = { height = random(900), wood = random(2) == 1 } end
    map[y] = row
  end
end

local notes = {}
local function note(request)
  notes[#notes + 1] = "request " .. request.id .. " for " .. request.x .. "/" .. request.y --@leak
end

local function window(request)
  local heights = {}
  for y = request.y, request.y + 7 do
    for x = request.x, request.x + 7 do heights[#heights + 1] = map[y][x].height end
  end
  return heights
end

local function profile(heights)
  local low, high, sum = 1e9, 0, 0
  for _, height in ipairs(heights) do
    low, high, sum = math.min(low, height), math.max(high, height), sum + height
  end
  return { low = low, high = high, mean = math.floor(sum / #heights) }
end

load_map(200)
local answered, sum = 0, 0
for round = 1, 32 do
  for _ = 1, 700 do
    answered = answered + 1
    local request = { id = answered, x = random(190), y = random(190) }
    sum = sum + profile(window(request)).mean
    if answered % 5 == 0 then note(request) end
  end
  checkpoint()
end
print(answered, sum > 0)
