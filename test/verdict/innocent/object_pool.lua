-- Particle system: particles come from a pool and go back to it.
local checkpoint = checkpoint or function() end

local pool, active = {}, {}
local created = 0

local seed = 65
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function acquire()
  local particle = table.remove(pool)
  if not particle then
    created = created + 1
    particle = { position = { 0, 0 }, velocity = { 0, 0 }, color = "white", life = 0 }
  end
  return particle
end

local function release(particle)
  particle.life = 0
  pool[#pool + 1] = particle
end

local function emit(x, y, count)
  for _ = 1, count do
    local particle = acquire()
    particle.position[1], particle.position[2] = x, y
    particle.velocity[1], particle.velocity[2] = random(20) - 10, random(20)
    particle.color = "#" .. random(4096)
    particle.life = 15
    active[#active + 1] = particle
  end
end

local function update()
  local kept = {}
  for _, particle in ipairs(active) do
    particle.life = particle.life - 1
    if particle.life > 0 then
      particle.position[1] = particle.position[1] + particle.velocity[1]
      particle.position[2] = particle.position[2] + particle.velocity[2]
      kept[#kept + 1] = particle
    else
      release(particle)
    end
  end
  active = kept
end

for frame = 1, 2600 do
  emit(random(640), random(480), 20 + frame % 11)
  update()
  if frame % 65 == 0 then checkpoint() end
end
print("created", created)
