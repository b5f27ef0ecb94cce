-- Leaks through one line while it is recorded, then waits: run with the path of a file to make when it is ready.
app = {listeners = {}}
local function add(i)
  app.listeners[#app.listeners + 1] = {id = i, data = {}}
end
for round = 1, 40 do
  for i = 1, 100 do add(i) end
  collectgarbage()
end
held = coroutine.create(function() local kept = {1, 2}; coroutine.yield(kept) end)
coroutine.resume(held)
io.open(arg[1], "w"):close()
io.read()
for i = 1, 3000 do add(i) end
collectgarbage()
io.open(arg[2], "w"):close()
io.read()
