-- Server with plugins: the statistics plugin is switched on half-way, and keeps every event from then on.
local checkpoint = checkpoint or function() end

local plugins, order = {}, {}
local seed = 606
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function enable(name, handler)
  plugins[name] = handler
  order[#order + 1] = name
end

local function dispatch(event)
  for _, name in ipairs(order) do plugins[name](event) end
end

enable("filter", function(event)
  event.clean = event.text:gsub("badword%d", "***")
end)

local counts = {}
enable("count", function(event)
  counts[event.kind] = (counts[event.kind] or 0) + 1
end)

local function statistics_plugin()
  local history = {}
  return function(event)
    local entry = { kind = event.kind, length = #event.text, at = #history } --@leak
    history[#history + 1] = entry --@also
  end
end

local recent = {}
local function serve(i)
  local event = { kind = "kind" .. random(8), text = ("hello badword%d "):format(random(9)):rep(random(4)) }
  dispatch(event)
  recent[i % 200 + 1] = event
end

local served = 0
for round = 1, 50 do
  if round == 26 then enable("statistics", statistics_plugin()) end
  for _ = 1, 3000 do
    served = served + 1
    serve(served)
  end
  checkpoint()
end
print("served", served)
