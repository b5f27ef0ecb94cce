-- Tail calls: a million levels deep without a stack, between Lua and C, and in
-- coroutines.
local kept = {}
local function loop(n, t)
  if n == 0 then return t end
  if n % 1000 == 0 then t[#t + 1] = { n } end
  return loop(n - 1, t)
end
print(#loop(200000, {}))

local function make(n) local t = { n } kept[#kept + 1] = t return t end
local function tail(n) return make(n) end
local function twice(n) return tail(n) end
for i = 1, 1000 do twice(i) end
print(#kept)

local function to_c(s) return string.rep(s, 3) end
print(to_c("ab"), select("#", (function(...) return select(2, ...) end)(1, 2, 3)))
local function protected(f, ...) return pcall(f, ...) end
print((protected(make, 5)))
print(coroutine.wrap(function(...) return (function(...) return #make(select("#", ...)) end)(...) end)(1, 2, 3))
local even, odd
function even(n) if n == 0 then return { true } end return odd(n - 1) end
function odd(n) if n == 0 then return { false } end return even(n - 1) end
print(even(10001)[1])
