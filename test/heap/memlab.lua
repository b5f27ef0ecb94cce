-- A heap with shared, cyclic, weak and pending things: run with the path of the probe and of a file.
local probe = assert(package.loadlib(arg[1], "luaopen_probe"))()
local seed = 7
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end
nodes = {}
for i = 1, 3200 do nodes[i] = {name = "node " .. i % 200} end
for i = 1, 6400 do nodes[random(3200)][random(4)] = nodes[random(3200)] end
for i = 1, 100 do nodes[random(3200)]["edge" .. random(9)] = function() return nodes[i], seed end end
weak_keys = setmetatable({}, {__mode = "k"})
weak_values = setmetatable({}, {__mode = "v"})
for i = 1, 100 do
  weak_keys[nodes[random(3200)]] = {nodes[random(3200)]}
  weak_values[i] = nodes[random(3200)]
end
for i = 1, 3190 do if i % 3 ~= 0 then nodes[i] = nil end end
threads = {}
for i = 1, 20 do
  threads[i] = coroutine.create(function(held) local more = {held}; coroutine.yield(more) end)
  coroutine.resume(threads[i], nodes[3 * i])
end
pending = setmetatable({}, {__gc = function() end})
probe.userdata(10, {__gc = function() end, held = {}})
pending = nil
probe.snapshot(arg[2])
