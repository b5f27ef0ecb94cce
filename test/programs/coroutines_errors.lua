-- Coroutines that fail, are closed, are wrapped within each other, and yield
-- from places where that is hard.
local function fail(depth)
  local t = { depth }
  if depth == 0 then error({ code = 42, t }) end
  fail(depth - 1)
end

for i = 1, 300 do
  local co = coroutine.create(fail)
  local ok, problem = coroutine.resume(co, i % 20)
  assert(not ok and problem.code == 42 and coroutine.status(co) == "dead")
  assert(not coroutine.resume(co))
end

local wrapped = coroutine.wrap(function() local s = ("x"):rep(10) error(s .. "y", 0) end)
print(pcall(wrapped))

local function nest(n)
  if n == 0 then return { "bottom" } end
  local inner = coroutine.wrap(function()
    local t = nest(n - 1)
    coroutine.yield({ n })
    return { t, n }
  end)
  assert(inner()[1] == n)
  return inner()
end
local result, depth = nest(12), 0
while result[1] ~= "bottom" do result = result[1] depth = depth + 1 end
print(depth)

if coroutine.close then
  local closed = 0
  for i = 1, 100 do
    local co = coroutine.create(function() local t = { i } coroutine.yield(t) end)
    coroutine.resume(co)
    if coroutine.close(co) then closed = closed + 1 end
  end
  assert(closed == 100)
end

-- Generators that take turns.
local function numbers(from, to)
  return coroutine.wrap(function() for i = from, to do coroutine.yield({ i }) end end)
end
local a, b, sum = numbers(1, 500), numbers(501, 1000), 0
for _ = 1, 500 do sum = sum + a()[1] + b()[1] end
print(sum)

-- A coroutine that resumes others and is itself resumed by the last of them?
local first
local second = coroutine.create(function() return coroutine.resume(first) end)
first = coroutine.create(function() return coroutine.resume(second) end)
print(coroutine.resume(first))

print(coroutine.wrap(function()
  local ok, problem = pcall(function() local t = {} error(t) end)
  return ok, type(problem)
end)())

-- Yielding across pcall, iterators and metamethods, where the VM can.
local across = coroutine.wrap(function()
  return pcall(function() coroutine.yield({}) return "back" end)
end)
local ok = pcall(function() return type(across()) == "table" and select(2, across()) end)
print(type(ok))
