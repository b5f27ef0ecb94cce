-- Route planner: the road network is loaded, then shortest ways are computed in arrays that exist already.
local checkpoint = checkpoint or function() end

local NODES = 4000
local seed = 71
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local network = {}
local function load_network()
  for node = 1, NODES do
    network[node] = { name = "junction " .. node, roads = {} }
  end
  for node = 1, NODES do
    local roads = network[node].roads
    for i = 1, 3 do roads[i] = { to = random(NODES), length = random(50) } end
    roads[4] = { to = node % NODES + 1, length = 30 }
  end
end

local distance, queue, queued = {}, {}, {}
local function prepare()
  for node = 1, NODES do distance[node], queue[node], queued[node] = 0, 0, false end
end

local function shortest(from)
  for node = 1, NODES do distance[node] = 1e9 end
  local first, count = 1, 1
  queue[1], queued[from], distance[from] = from, true, 0
  while count > 0 do
    local node = queue[first]
    first, count = first % NODES + 1, count - 1
    queued[node] = false
    for _, road in ipairs(network[node].roads) do
      local length = distance[node] + road.length
      if length < distance[road.to] then
        distance[road.to] = length
        if not queued[road.to] then
          queue[(first + count - 1) % NODES + 1] = road.to
          queued[road.to], count = true, count + 1
        end
      end
    end
  end
end

load_network()
prepare()
local sum = 0
for _ = 1, 36 do
  for _ = 1, 3 do shortest(random(NODES)) end
  sum = sum + distance[random(NODES)]
  checkpoint()
end
print("sum", sum)
