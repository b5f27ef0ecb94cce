-- Functions that make tables of one size, so many each that the program itself knows what a function has grown by, alone
-- and with what it called. Prints "NAME OWN WITH_CALLEES" in bytes. The collector stands still.
if jit then jit.off() end -- a trace that is being recorded needs memory of its own
collectgarbage("stop")
local function deep(n) if n > 0 then return 1 + deep(n - 1) end return 0 end
deep(100) -- room for frames
local x, before, small, large
before = collectgarbage("count")
x = { 1 }
small = (collectgarbage("count") - before) * 1024
before = collectgarbage("count")
x = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30 }
large = (collectgarbage("count") - before) * 1024

local function leaf() x = { 1 } end
local function outer()
  x = { 1 }
  leaf() leaf() leaf()
end
local function tail() return leaf() end
local function recursion(n)
  x = { 1 }
  if n > 1 then recursion(n - 1) end
end
local odd
local function even(n)
  x = { 1 }
  if n > 0 then odd(n - 1) end
end
function odd(n)
  x = { 1 }
  if n > 0 then even(n - 1) end
end
local function failing()
  x = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30 }
  error(x)
end
local function catching()
  local caught = pcall(failing)
  x = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30 }
  return caught
end
local function body()
  for _ = 1, 5 do
    leaf()
    coroutine.yield()
    x = { 1 }
  end
end
local function resuming(co)
  coroutine.resume(co)
  x = { 1 }
end
local function compare(a, b)
  x = { 1 }
  return a < b
end

for _ = 1, 10 do
  outer()
  tail()
  recursion(4)
  even(6)
end
local co = coroutine.create(function()
  deep(100)
  coroutine.yield()
  body()
end)
coroutine.resume(co)
for _ = 1, 5 do resuming(co) end
table.sort({ 1, 2 }, compare)
for _ = 1, 10 do catching() end

local function say(name, own, with_callees) print(name, ("%.0f"):format(own), ("%.0f"):format(with_callees)) end
say("leaf", 45 * small, 45 * small)
say("outer", 10 * small, 40 * small)
say("recursion", 40 * small, 40 * small)
say("even", 40 * small, 70 * small)
say("odd", 30 * small, 60 * small)
say("body", 4 * small, 9 * small)
say("resuming", 5 * small, 14 * small)
say("failing", 10 * large, 10 * large)
say("catching", 10 * large, 20 * large)
