-- Game lobby after a restart: players come back at a steady rate and each leaves with the same chance, so their number
-- rises towards a level and stays there.
local checkpoint = checkpoint or function() end

local players, joined, left = {}, 0, 0
local seed = 13579
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function join()
  joined = joined + 1
  local player = { id = joined, name = "player" .. joined, inventory = {}, position = { random(100), random(100) } }
  for i = 1, 4 do player.inventory[i] = "item" .. random(300) end
  players[#players + 1] = player
end

local function leave(i)
  left = left + 1
  players[i] = players[#players]
  players[#players] = nil
end

local function update(player)
  player.position = { (player.position[1] + 1) % 100, player.position[2] }
  return player.position[1]
end

local sum = 0
for minute = 1, 480 do
  for _ = 1, 80 do join() end
  for i = #players, 1, -1 do
    if random(20) == 1 then leave(i) else sum = sum + update(players[i]) end
  end
  if minute % 10 == 0 then checkpoint() end
end
print(joined, left, sum)
