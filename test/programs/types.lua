-- One of everything, kept.
local load = loadstring or load
kept = {
  tables = {}, strings = {}, functions = {}, threads = {}, userdata = {}, protos = {},
}
for i = 1, 50 do
  kept.tables[i] = { i }
  kept.strings[i] = "unique " .. i
  kept.functions[i] = function() return i end
  kept.threads[i] = coroutine.create(function() end)
  kept.userdata[i] = newproxy and newproxy() or io.tmpfile()
  kept.protos[i] = load("return " .. i)
end
print(#kept.tables)
