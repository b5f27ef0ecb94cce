-- Game script: a quest waits in a coroutine for an item; when the player logs out nobody wakes it any more.
local checkpoint = checkpoint or function() end

local waiting = {} -- item → the coroutine that waits for it
local seed = 1

local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function wait_for(item)
  waiting[item] = coroutine.running() --@also
  return coroutine.yield(item)
end

local function quest(player)
  local steps = { "talk", "walk", "fight" } --@also
  local gained = 0
  for i, step in ipairs(steps) do --@also
    for swing = 1, 120 do gained = gained + (#step * i * swing) % 7 end
    wait_for(player .. ":" .. step) --@also
  end
  return gained
end

local finished = 0
local function give(player, item)
  local key = player .. ":" .. item
  local thread = waiting[key]
  waiting[key] = nil
  if not thread then return end
  local _, result = coroutine.resume(thread)
  if coroutine.status(thread) == "dead" and result then finished = finished + 1 end
end

local function start_quest(player)
  local thread = coroutine.create(quest) --@leak
  coroutine.resume(thread, player) --@also
end

for hour = 1, 30 do
  for visit = 1, 600 do
    local player = "p" .. hour .. "." .. visit --@also
    start_quest(player)
    give(player, "talk")
    if random(4) > 1 then -- one in four logs out here
      give(player, "walk")
      give(player, "fight")
    end
  end
  checkpoint()
end
print("finished", finished)
