-- Leaks through one line, then ends in the way that its argument says.
app = {listeners = {}}
local function add(i)
  app.listeners[#app.listeners + 1] = {id = i, data = {}}
end
for round = 1, 40 do
  for i = 1, 100 do add(i) end
  collectgarbage()
end
local way = arg[1]
if way == "exit" then
  local in_middle = {name = "still there"}
  os.exit(7)
elseif way == "error" then
  error("as planned")
elseif way == "killed" then
  io.open(arg[2], "w"):close()
  io.read()
end
