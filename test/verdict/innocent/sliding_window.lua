-- Rate limiter: per client the times of its requests in the last 300 ticks; clients without any are removed.
local checkpoint = checkpoint or function() end

local WINDOW = 300
local clients, refused, allowed = {}, 0, 0

local seed = 429
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function trim(times, now)
  local kept = {}
  for _, time in ipairs(times) do
    if now - time < WINDOW then kept[#kept + 1] = time end
  end
  return kept
end

local function allow(name, now)
  local client = clients[name] or { times = {}, refused = 0 }
  clients[name] = client
  client.times = trim(client.times, now)
  if #client.times >= 6 then
    client.refused = client.refused + 1
    return false
  end
  client.times[#client.times + 1] = now
  return true
end

local function forget_idle(now)
  for name, client in pairs(clients) do
    local last = client.times[#client.times]
    if not last or now - last >= WINDOW then clients[name] = nil end
  end
end

for tick = 1, 3000 do
  for _ = 1, 60 do
    -- New addresses come all the time, old ones are not seen again.
    local name = "client" .. tick + math.min(random(2400), random(2400))
    if allow(name, tick) then allowed = allowed + 1 else refused = refused + 1 end
  end
  if tick % 25 == 0 then forget_idle(tick) end
  if tick % 75 == 0 then checkpoint() end
end
print(allowed, refused)
