-- Game with cut scenes: every scene is a coroutine that plays its steps and ends; the director forgets it then.
local checkpoint = checkpoint or function() end

local running, played, spoken = {}, 0, 0
local seed = 300
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function wait(frames)
  for _ = 1, frames do coroutine.yield() end
end

local function say(actor, text)
  local bubble = { actor = actor, text = text, width = #text * 7 }
  wait(2 + bubble.width % 4)
  spoken = spoken + 1
end

local function scene(actors, lines)
  return coroutine.create(function()
    for i = 1, lines do
      local actor = actors[i % #actors + 1]
      say(actor, actor .. " says line " .. i .. " of " .. lines)
    end
    played = played + 1
  end)
end

local ACTORS = { { "knight", "dragon" }, { "king", "queen", "fool" }, { "ghost" } }

local function direct()
  while #running < 45 do running[#running + 1] = scene(ACTORS[random(#ACTORS)], 1 + random(7)) end
  for i = #running, 1, -1 do
    assert(coroutine.resume(running[i]))
    if coroutine.status(running[i]) == "dead" then table.remove(running, i) end
  end
end

for frame = 1, 12000 do
  direct()
  if frame % 300 == 0 then checkpoint() end
end
print(played, spoken)
