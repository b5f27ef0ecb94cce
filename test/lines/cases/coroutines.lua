-- Coroutines and errors. What happens to a C stack's frames and thread stacks is no line's growth: --stack.
kept = {}
local function leaf(x)
  return { x }
end
local co = coroutine.create(function(a)
  grow(30) --stack
  local t = { a }
  local b = coroutine.yield({ a })
  t = { leaf(b), b }
  local c, d = coroutine.yield()
  t = {
    leaf(c),
    { d }
  }
  return { t }
end)
coroutine.resume(co, 1) --stack
coroutine.resume(co, { 2 })
coroutine.resume(co, 3, {})
coroutine.resume(co)
local generator = coroutine.wrap(function()
  grow(30) --stack
  for i = 1, 5 do
    coroutine.yield({ i })
    local t = { i, {} }
  end
end)
generator() --stack
for i = 1, 4 do
  local t = { generator() }
end
local function nested(depth)
  return coroutine.wrap(function()
    grow(30) --stack
    local t = {}
    if depth > 0 then
      local inner = nested(depth - 1)
      inner() --stack
      t = { inner() }
    end
    coroutine.yield({ depth })
    t = { t,
      depth }
    return t
  end)
end
local outer = nested(4)
outer() --stack
outer()
-- only C in them
if pcall(coroutine.wrap, print) then
  local c_only = coroutine.wrap(string.rep)
  kept.rep = c_only("unique text ", 100) --stack
  local c_concat = coroutine.create(table.concat)
  kept.resumed = { coroutine.resume(c_concat, { "some", "words" }, "-") } --stack
end
for i = 1, 10 do kept[i] = coroutine.create(leaf) end
for i = 1, 10 do
  kept[i] = { coroutine.wrap(leaf),
    coroutine.create(leaf) }
end
-- errors
local function fail(value)
  local t = { value } --stack
  error(t) --stack
end
for i = 1, 3 do
  local ok, caught = pcall(fail, i) --stack
  grow(60) --stack
  local t = { caught }
  local u = { pcall(leaf, i) }
  ok, caught = xpcall(function() --stack
    local x = { i }
    error({}) --stack
  end, function(message) return { message } end) --stack
  grow(60) --stack
  ok, caught = pcall(error, { i }) --stack
  grow(60) --stack
  ok, caught = pcall(error, "text " .. i) --stack
  grow(60) --stack
  ok, caught = pcall(function() local t = nil; return t.x end) --stack
  grow(60) --stack
  kept[i] = { caught }
end
local failing = coroutine.create(function()
  grow(30) --stack
  local t = {}
  coroutine.yield()
  t = { t }
  error({ 1, 2 })
end)
coroutine.resume(failing) --stack
local result = { coroutine.resume(failing) }
result = { coroutine.resume(failing) }
if coroutine.close then
  local closing = coroutine.create(function()
    grow(30) --stack
    local t = {}
    coroutine.yield()
  end)
  coroutine.resume(closing) --stack
  coroutine.close(closing) --stack
  local t = { coroutine.close(coroutine.create(leaf)) } --stack
end
-- a coroutine in a callback of C, and a yield through pcall where the VM can
local sorted = { 3, 1, 2 }
table.sort(sorted, function(a, b)
  local compare = coroutine.wrap(function()
    grow(30) --stack
    local t = { a, b }
    return a < b
  end)
  return compare() --stack
end)
for i = 1, 5 do
  local t = { i }
  local abandoned = coroutine.wrap(function() coroutine.yield() end)
  abandoned() --stack
  t = { t }
end
local last = { {} }
