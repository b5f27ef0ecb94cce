-- LuaJIT: the compiler turned off and on, flushed in the middle of traces.
if not jit then print("no jit") return end
kept = {}
local function work(n) local t for i = 1, n do t = { i, { i } } if i % 100 == 0 then kept[#kept + 1] = t end end return t end
for round = 1, 10 do
  work(2000)
  if round % 2 == 0 then jit.flush() end
  if round % 3 == 0 then jit.off() end
  if round % 3 == 1 then jit.on() end
  if round == 5 then jit.off(work, true) end
  if round == 7 then jit.on(work, true) end
  collectgarbage()
end
jit.on()
jit.opt.start("hotloop=2", "maxtrace=20", "maxmcode=64")
for i = 1, 300 do
  local f = loadstring("local t = {} for i = 1, 50 do t[i] = { i } end return t")
  kept[#kept + 1] = f()
  f()
end
jit.flush()
print(#kept)
