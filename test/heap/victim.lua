-- A program that knows nothing of us: builds a heap with things to find, says "ready", and then waits ("idle"), works
-- on ("busy", and says how far it is now and then) or ends by SIGABRT ("abort"). It stops by itself after a minute.
local count, how = tonumber(arg[1]), arg[2]
app = {cache = {entries = {}}, recent = {}}
for i = 1, count do app.cache.entries[i] = {name = "entry" .. i, value = {i}} end
local co = coroutine.create(function()
  local held_by_local = {planted_in_coroutine = {}}
  coroutine.yield()
  return held_by_local
end)
coroutine.resume(co)
app.co = co
local hidden = {planted_in_upvalue = {}}
function app.reader() return hidden end
app.weak = setmetatable({[{}] = {}}, {__mode = "k"})
io.write("ready\n")
io.flush()
if how == "idle" then
  io.read()
elseif how == "abort" then
  os.execute("kill -ABRT " .. io.open("/proc/self/stat"):read("*l"):match("%d+"))
  local from = os.time()
  while os.time() - from < 10 do end
else
  local from, i = os.time(), 0
  while os.time() - from < 60 do
    i = i + 1
    app.recent[i % 3000] = {i, "text" .. i, function() return i end}
    if i % 100000 == 0 then
      io.write(i, "\n")
      io.flush()
    end
  end
end
