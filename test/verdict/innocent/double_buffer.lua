-- Terminal: two screens of cells, one is shown while the other is filled; then they are exchanged.
local checkpoint = checkpoint or function() end

local WIDTH, HEIGHT = 80, 25

local function new_screen()
  local screen = {}
  for y = 1, HEIGHT do
    screen[y] = {}
    for x = 1, WIDTH do screen[y][x] = { char = " ", color = 7 } end
  end
  return screen
end

local front, back = new_screen(), new_screen()
local seed = 2525
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function put(x, y, text, color)
  for i = 1, #text do
    local column = (x + i - 2) % WIDTH + 1
    -- Cells are replaced, not changed: whoever holds an old one must not see it change.
    back[y][column] = { char = text:sub(i, i), color = color }
  end
end

local function flip()
  local changes = {}
  for y = 1, HEIGHT do
    for x = 1, WIDTH do
      local new, old = back[y][x], front[y][x]
      if new.char ~= old.char or new.color ~= old.color then changes[#changes + 1] = { x, y, new.char } end
    end
  end
  front, back = back, front
  return #changes
end

local WORDS = { "load", "average", "memory", "swap", "task", "running", "sleeping" }
local changed = 0
for frame = 1, 720 do
  for _ = 1, 40 do
    put(random(WIDTH), random(HEIGHT), WORDS[random(#WORDS)] .. " " .. random(100), random(8))
  end
  changed = changed + flip()
  if frame % 20 == 0 then checkpoint() end
end
print("changed", changed)
