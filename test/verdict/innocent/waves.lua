-- Tower defence: each wave has more enemies than the one before, and all of them are gone when it is over.
local checkpoint = checkpoint or function() end
local enemies, killed = {}, 0
local function spawn(wave)
  enemies[#enemies + 1] = { hp = 10 + wave, path = { 0, 0 }, name = "enemy of wave " .. wave, effects = {} }
end
for wave = 1, 12 do
  for _ = 1, 20 * wave do spawn(wave) end
  local tick = 0
  while #enemies > 0 do
    tick = tick + 1
    for i = #enemies, 1, -1 do
      local enemy = enemies[i]
      enemy.path = { enemy.path[1] + 1, enemy.path[2] }
      enemy.hp = enemy.hp - (i % 5)
      if enemy.hp < 0 or tick > 60 then
        killed = killed + 1
        enemies[i] = enemies[#enemies]
        enemies[#enemies] = nil
      end
    end
  end
  for _ = 1, 4 do checkpoint() end
end
print(killed)
