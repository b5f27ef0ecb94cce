-- Coroutines that are begun and never ended: some kept, most garbage.
local kept = {}
for i = 1, 20000 do
  local co = coroutine.create(function(a)
    local t = { a }
    local b = coroutine.yield(t)
    return b
  end)
  local ok, t = coroutine.resume(co, i)
  assert(ok and t[1] == i)
  if i % 1000 == 0 then kept[#kept + 1] = co end
end
collectgarbage()
print(#kept)
for i = 1, #kept do
  local ok, value = coroutine.resume(kept[i], i)
  assert(ok and value == i)
end
local never_started = {}
for i = 1, 2000 do never_started[i] = coroutine.create(function() print(i) end) end
print(#never_started, coroutine.status(never_started[1]))
