-- What each marked line has grown by, measured by the program itself: the collector stands still, and the count is read
-- before and after, on the same line. Prints "NAME BYTES" for each; the line is the one that has "--@NAME" on it.
if jit then jit.off() end -- a trace that is being recorded needs memory of its own
collectgarbage("stop")
local count = collectgarbage
local grown, before, inner = {}, 0, 0
for name in ("table closure string concat middle callee tail coroutine resumed wrapped error index sort"
  .. " nested loop append recursion"):gmatch("%a+") do
  grown[name] = 0
end

-- Adds what the count has grown since `before` to a line; allocates nothing, for the name is there.
local function note(name, apart)
  local now = count("count")
  grown[name] = grown[name] + (now - before) - (apart or 0)
end
local function mark() before = count("count") end
-- Room for frames, so that no call below makes any.
local function deep(n) if n > 0 then return 1 + deep(n - 1) end return 0 end
deep(100)
local x, y, z -- what is made is kept in them, so that nothing but the line's own work allocates

local function callee()
  mark() x = { 1, 2, 3 } note("callee") inner = count("count") - before return x --@callee
end
local function tail_called()
  mark() x = { 1 } note("tail") return x --@tail
end
local function tail() return tail_called() end
local function failing()
  mark() x = { 5, 5, 5, 5, 5 } note("error") inner = count("count") - before error(x) --@error
end
local indexed = setmetatable({}, { __index = function(_, k)
  mark() x = { k, k } note("index") return x --@index
end })
local function body()
  deep(100)
  for _ = 1, 20 do
    coroutine.yield()
    mark() x = { 7, 7 } note("coroutine") --@coroutine
  end
end
local function recursion(n)
  mark() x = { n } note("recursion") --@recursion
  if n > 1 then recursion(n - 1) end
end

for i = 1, 50 do
  mark() x = { i } note("table") --@table
  mark() x = function() return i, y end note("closure") --@closure
  mark() x = ("%d and more"):rep(i) note("string") --@string
  mark() x = "a" .. i .. "b" note("concat") --@concat
  local m = count("count") x, y = callee(), {} before = m note("middle", inner) --@middle
  tail()
  x = indexed[i]
  recursion(5)
end

local co = coroutine.create(body)
coroutine.resume(co)
local wrapped = coroutine.wrap(function() deep(100) while true do coroutine.yield() end end)
wrapped()
for _ = 1, 20 do
  coroutine.resume(co)
  local m = count("count") x, y = wrapped(), { 1, 2 } before = m note("wrapped") --@wrapped
end

local function outermost()
  deep(100)
  local innermost = coroutine.wrap(function()
    deep(100)
    for _ = 1, 10 do
      coroutine.yield()
      mark() x = { 9 } note("nested") --@nested
    end
    coroutine.yield()
  end)
  innermost()
  for _ = 1, 10 do
    innermost()
    mark() y = { 8, 8, 8 } note("resumed") --@resumed
    coroutine.yield()
  end
end
local nest = coroutine.wrap(outermost)
for _ = 1, 10 do nest() end

local list = {}
for i = 1, 300 do mark() list[#list + 1] = i note("append") end --@append
local numbers = { 3, 1, 2, 5, 4, 9, 8, 7, 6 }
table.sort(numbers, function(a, b)
  mark() x = { a } note("sort") return a < b --@sort
end)
for i = 1, 10 do mark() x = { i, i } note("loop") end --@loop

-- An error unwinds, and PUC gives memory of the stack back then.
for _ = 1, 50 do
  z, x, y = pcall(failing), {}, {} --@outer
end

for name, kibibytes in pairs(grown) do print(name, ("%.0f"):format(kibibytes * 1024)) end
