-- Space game: one `add` for vectors is used by the physics (garbage), the camera (kept for one frame) and the trail of
-- the ship, which is drawn shortened but kept whole.
local checkpoint = checkpoint or function() end

local vec = {}

function vec.new(x, y) return { x = x, y = y } end

function vec.add(a, b)
  return { x = a.x + b.x, y = a.y + b.y } --@leak
end

function vec.scale(a, k) return { x = a.x * k, y = a.y * k } end

local ship = { position = vec.new(0, 0), velocity = vec.new(1, 0), trail = {} }
local camera = vec.new(0, 0)
local stars = {}

local seed = 1977
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

for i = 1, 80 do stars[i] = { at = vec.new(random(640), random(480)), depth = random(4) } end

local function physics()
  local pull = vec.scale(vec.new(random(7) - 4, random(7) - 4), 0.1)
  ship.velocity = vec.scale(vec.add(ship.velocity, pull), 0.99)
  ship.position = vec.add(ship.position, ship.velocity)
end

local function leave_trail()
  ship.trail[#ship.trail + 1] = vec.add(ship.position, vec.scale(ship.velocity, -2)) --@caller
end

local function draw()
  camera = vec.add(camera, vec.scale(vec.add(ship.position, vec.scale(camera, -1)), 0.05))
  local visible = 0
  for _, star in ipairs(stars) do
    local at = vec.add(star.at, vec.scale(camera, -1 / star.depth))
    if at.x > 0 and at.x < 640 then visible = visible + 1 end
  end
  for i = math.max(1, #ship.trail - 30), #ship.trail do
    if ship.trail[i].y > 0 then visible = visible + 1 end
  end
  return visible
end

local visible = 0
for frame = 1, 6000 do
  physics()
  if frame % 2 == 0 then leave_trail() end
  if frame % 2 == 1 then visible = visible + draw() end
  if frame % 150 == 0 then checkpoint() end
end
print(#ship.trail, visible > 0)
