-- Game: the second level is loaded in the middle and stays beside the first one.
local checkpoint = checkpoint or function() end

local seed = 19
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local levels = {}

local function load_level(name, size)
  local level = { name = name, tiles = {}, spawns = {} }
  for y = 1, size do
    local row = {}
    for x = 1, size do row[x] = { kind = random(5), light = random(16), x = x, y = y } end
    level.tiles[y] = row
  end
  for i = 1, 50 do level.spawns[i] = { x = random(size), y = random(size), what = "monster" .. random(9) } end
  levels[#levels + 1] = level
  return level
end

local function visible(level, x, y)
  local list = {}
  for dy = -3, 3 do
    local row = level.tiles[y + dy]
    if row then
      for dx = -3, 3 do
        local tile = row[x + dx]
        if tile and tile.light > 4 then list[#list + 1] = { tile = tile, shade = tile.light * 16 } end
      end
    end
  end
  return list
end

local function play(level)
  local seen = 0
  for _, spawn in ipairs(level.spawns) do seen = seen + #visible(level, spawn.x, spawn.y) end
  return seen
end

local current, score = load_level("meadow", 70), 0
for minute = 1, 40 do
  if minute == 19 then current = load_level("cave", 80) end
  for _ = 1, 15 do score = score + play(current) end
  checkpoint()
end
print("score", score)
