-- Weather model with a lazy collector (pause 400, small steps): grids are loaded, then every step makes rows of garbage.
local checkpoint = checkpoint or function() end

collectgarbage("setpause", 400)
collectgarbage("setstepmul", 150)

local SIZE = 90
local function grid(fill)
  local rows = {}
  for y = 1, SIZE do
    rows[y] = {}
    for x = 1, SIZE do rows[y][x] = { temperature = fill(x, y), wind = (x + y) % 9 } end
  end
  return rows
end

local today = grid(function(x, y) return (x * y) % 40 end)
local climate = grid(function(x, y) return (x + y) % 30 end)

local function neighbours(x, y)
  local left, right = x > 1 and x - 1 or SIZE, x < SIZE and x + 1 or 1
  return { today[y][left].temperature, today[y][right].temperature, climate[y][x].temperature }
end

local function step_row(y)
  local changes = {}
  for x = 1, SIZE do
    local around = neighbours(x, y)
    changes[x] = { x = x, temperature = (around[1] + around[2] + around[3]) / 3 }
  end
  for _, change in ipairs(changes) do today[y][change.x].temperature = change.temperature end
end

local warm = 0
for hour = 1, 32 do
  for i = 1, 2 * SIZE do step_row((i - 1) % SIZE + 1) end
  for y = 1, SIZE do
    for x = 1, SIZE do
      if today[y][x].temperature > 20 then warm = warm + 1 end
    end
  end
  checkpoint()
end
print("warm", warm)
