-- A heap with one of everything that heap, path and diff tell of: run with the path of the probe and of two files.
local probe = assert(package.loadlib(arg[1], "luaopen_probe"))()
app = {listeners = {}, config = {["a key"] = {1, 2}, name = "the demo"}}
local function add_listener(i)
  app.listeners[i] = {id = i, callback = function() return i end, name = "listener " .. i}
end
for i = 1, 4000 do add_listener(i) end
local sessions = {}
for i = 1, 500 do sessions["session:" .. i] = {user = {}} end
function get_session(key) return sessions[key] end
list = {}
local head = list
for i = 1, 30000 do head.next = {value = {}}; head = head.next end
print("last " .. tostring(head):match("0x%x+"))
head = nil
local function worker(argument)
  local buffer = {}
  for i = 1, 300 do buffer[i] = {} end
  coroutine.yield(buffer, argument)
end
co = coroutine.create(worker)
coroutine.resume(co)
do
  local entries = {x = {deep = {}}}
  package.loaded.cache = {get = function(key) return entries[key] end}
end
ephemeral = setmetatable({}, {__mode = "k"})
ephemeral[app] = {note = {}}
weak = setmetatable({app.listeners[7]}, {__mode = "v"})
logs = {}
for i = 1, 20 do logs[i] = table.concat({("="):rep(5000), i % 2 == 0 and "even" or "odd"}) end
local shared = {}
holder_a, holder_b = {first = shared}, {second = {third = shared}}
cycle = {}
cycle.self = cycle
shared = nil
collectgarbage() collectgarbage()
for i = 1, 50 do local garbage = {i} end
collectgarbage("stop")
probe.snapshot(arg[2])
for i = 4001, 6000 do add_listener(i) end
list = nil
_G["an odd name"] = ("="):rep(200000)
collectgarbage() collectgarbage()
probe.snapshot(arg[3])
