-- Tower defence: per frame temporary lists of targets and shots; towers live for ever, enemies for a while.
local checkpoint = checkpoint or function() end

local towers, enemies = {}, {}
local seed = 128
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

for i = 1, 24 do towers[i] = { x = random(300), y = random(200), range = 40 + random(40), heat = 0 } end

local function spawn()
  enemies[#enemies + 1] = { x = 0, y = random(200), health = 30 + random(60), speed = 1 + random(4), path = { 0, 0 } }
end

local function targets_of(tower)
  local targets = {}
  for _, enemy in ipairs(enemies) do
    local dx, dy = enemy.x - tower.x, enemy.y - tower.y
    local distance = dx * dx + dy * dy
    if distance < tower.range * tower.range then targets[#targets + 1] = { enemy = enemy, distance = distance } end
  end
  table.sort(targets, function(a, b)
    if a.distance ~= b.distance then return a.distance < b.distance end
    return a.enemy.health < b.enemy.health
  end)
  return targets
end

local kills, escapes = 0, 0
local function step()
  for _, tower in ipairs(towers) do
    local target = targets_of(tower)[1]
    if target then target.enemy.health = target.enemy.health - 3 end
  end
  local alive = {}
  for _, enemy in ipairs(enemies) do
    enemy.x = enemy.x + enemy.speed
    enemy.path = { enemy.x, enemy.y }
    if enemy.health <= 0 then
      kills = kills + 1
    elseif enemy.x > 300 then
      escapes = escapes + 1
    else
      alive[#alive + 1] = enemy
    end
  end
  enemies = alive
end

for frame = 1, 3600 do
  if frame % 2 == 0 then spawn() end
  step()
  if frame % 90 == 0 then checkpoint() end
end
print(kills, escapes)
