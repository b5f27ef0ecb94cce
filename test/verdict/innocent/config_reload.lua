-- Daemon: the configuration, a large table, is read again now and then and replaces the one before.
local checkpoint = checkpoint or function() end

local config
local reloads = 0

local function text_of(version)
  local lines = {}
  for i = 1, 1500 do
    lines[i] = ("route.%d = backend%d weight=%d"):format(i, (i * version) % 40, (i + version) % 10)
  end
  return table.concat(lines, "\n")
end

local function parse(text)
  local result = { routes = {}, backends = {} }
  for number, backend, weight in text:gmatch("route%.(%d+) = (%w+) weight=(%d+)") do
    local route = { number = tonumber(number), backend = backend, weight = tonumber(weight) }
    result.routes[route.number] = route
    result.backends[backend] = (result.backends[backend] or 0) + 1
  end
  return result
end

local function reload()
  reloads = reloads + 1
  config = parse(text_of(reloads))
end

local seed = 443
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function route(request)
  local found = config.routes[request.number]
  return { request = request, backend = found.backend, score = found.weight * request.priority }
end

reload()
local score = 0
for minute = 1, 40 do
  if minute % 7 == 0 then reload() end
  for _ = 1, 17000 do
    score = score + route({ number = random(1500), priority = random(5) }).score
  end
  checkpoint()
end
print(reloads, score)
