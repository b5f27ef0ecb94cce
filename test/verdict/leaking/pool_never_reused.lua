-- Bullet pool: bullets are given back under another key than the one they are taken from.
local checkpoint = checkpoint or function() end

local pools = {}
local made, reused = 0, 0

local function pool(kind)
  local list = pools[kind]
  if not list then
    list = {}
    pools[kind] = list
  end
  return list
end

local function take(kind)
  local bullet = table.remove(pool(kind))
  if bullet then
    reused = reused + 1
    return bullet
  end
  made = made + 1
  return { kind = kind, x = 0, y = 0, dx = 0, dy = 0, alive = true } --@leak
end

local function give_back(bullet)
  bullet.alive = false
  local list = pool("pool:" .. bullet.kind)
  list[#list + 1] = bullet --@also
end

local seed = 9
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local flying = {}
local function fire(kind)
  local bullet = take(kind)
  bullet.x, bullet.y, bullet.dx, bullet.dy, bullet.alive = 0, random(100), random(5), random(3) - 2, true
  flying[#flying + 1] = bullet
end

local function move()
  local left = {}
  for _, bullet in ipairs(flying) do
    bullet.x, bullet.y = bullet.x + bullet.dx, bullet.y + bullet.dy
    if bullet.x > 140 then give_back(bullet) else left[#left + 1] = bullet end
  end
  flying = left
end

for frame = 1, 32000 do
  if frame % 3 == 0 then fire("arrow") elseif frame % 3 == 1 then fire("stone") end
  move()
  if frame % 800 == 0 then checkpoint() end
end
print(made, reused)
