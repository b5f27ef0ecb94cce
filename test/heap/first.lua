-- Ends with a newest object of the kind that its argument says, which lua_close frees first.
local kind = ...
keep = {}
for i = 1, 100 do keep[i] = {i} end
local makers = {
  table = function() return {1, 2, x = 3} end,
  empty = function() return {} end,
  fn = function() local a = {} return function() return a end end,
  co = function() return coroutine.create(function() end) end,
  deep_co = function() local c = coroutine.create(function() local function f(n) if n == 0 then coroutine.yield() end return f(n-1), 1 end f(50) end) coroutine.resume(c) return c end,
  str = function() return ("x"):rep(100) end,
  short = function() return "ab" .. tostring(#keep) .. "q" end,
  ud = function() return io.tmpfile() end,
  proto = function() return (loadstring or load)("return function(a) local b = {a} return b end") end,
}
collectgarbage("stop")
last = makers[kind]()
