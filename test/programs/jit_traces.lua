-- LuaJIT: traces that allocate, with side exits, in coroutines and sinking.
if not jit then print("no jit") return end
kept = {}
local function table_loop(n)
  for i = 1, n do
    local t = { i, i + 1 }
    if i % 100 == 0 then
      kept[#kept + 1] = t
    end
  end
end
table_loop(50000)
local s = 0
for i = 1, 50000 do
  local text = "item" .. i % 1000
  s = s + #text
  if i % 500 == 0 then kept[#kept + 1] = text .. "!" end
end
print(s, #kept)
local function closure_loop(n) local f for i = 1, n do f = function() return i end if i % 1000 == 0 then kept[#kept + 1] = f end end return f end
print(closure_loop(50000)())
local gen = coroutine.wrap(function() for i = 1, 20000 do coroutine.yield({ i }) end end)
local sum = 0
for _ = 1, 20000 do sum = sum + gen()[1] end
print(sum)
local sunk = 0
for i = 1, 100000 do local p = { x = i, y = 1 } sunk = sunk + p.x * p.y if i % 10000 == 0 then kept[#kept + 1] = p end end
print(sunk)
for i = 1, 20000 do local a = {} for j = 1, 10 do a[j] = j end if i % 1000 == 0 then kept[#kept + 1] = a end end
print(#kept)
