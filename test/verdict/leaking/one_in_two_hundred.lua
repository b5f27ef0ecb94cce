-- Collision detection: a busy line makes contact records; one in two hundred stays in the list of "deep" contacts.
local checkpoint = checkpoint or function() end

local bodies, deep = {}, {}
local seed = 8
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end

for i = 1, 60 do bodies[i] = { x = random(1000), y = random(1000), vx = random(9) - 4, vy = random(9) - 4 } end

local function move(body)
  body.x = (body.x + body.vx) % 1000
  body.y = (body.y + body.vy) % 1000
end

local function contact(a, b)
  return { a = a, b = b, dx = a.x - b.x, dy = a.y - b.y, depth = random(200) } --@leak
end

local function collide()
  local contacts = {}
  for i = 1, #bodies - 1 do
    for j = i + 1, math.min(i + 5, #bodies) do
      contacts[#contacts + 1] = contact(bodies[i], bodies[j])
    end
  end
  return contacts
end

local function resolve(contacts)
  for _, c in ipairs(contacts) do
    if c.depth == 0 then
      deep[#deep + 1] = c --@also
    elseif c.dx == 0 and c.dy == 0 then
      c.a.vx, c.b.vx = c.b.vx, c.a.vx
    end
  end
end

for frame = 1, 2800 do
  for _, body in ipairs(bodies) do move(body) end
  resolve(collide())
  if frame % 56 == 0 then checkpoint() end
end
print("deep", #deep)
