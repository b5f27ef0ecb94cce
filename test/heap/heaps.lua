-- Heaps of every sort, each checked by test/heap/probe.c: what we find adds up to what the VM counts, and a full
-- collection frees exactly what the graph calls unreachable. With "stop" as argument the collector does not run
-- otherwise; without it, it is wherever it happens to be.
local probe_path, mode = ...
local probe = assert(package.loadlib(probe_path, "luaopen_probe"))()
local load = loadstring or load
local unpack = unpack or table.unpack
if mode == "stop" then collectgarbage("stop") end

-- The same numbers in every run and on every VM.
local seed = 42
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

-- What is kept from one check to the next: half of everything.
kept = {}
local function section(name, make)
  local things = {make()}
  for i = 1, #things, 2 do kept[#kept + 1] = things[i] end
  probe.check(name .. ", held")
  things = nil
  probe.check(name .. ", half dropped")
  for i = #kept, 1, -2 do kept[i] = nil end
  probe.check(name .. ", mostly dropped")
end

section("nothing", function() end)

section("tables", function()
  local list = {}
  for i = 1, 300 do
    local t = {}
    for j = 1, i % 37 do t[j] = {j} end
    for j = 1, i % 17 do t["key" .. j] = {} end
    t[1.5], t[-3], t[true], t[2^40], t[{}] = {}, {}, {}, {}, {}
    if i % 3 == 0 then for j = 1, i % 37 do t[j] = nil end end
    if i % 5 == 0 then for j = 1, i % 17 do t["key" .. j] = nil end end
    list[i] = t
  end
  return list, unpack(list, 1, 100)
end)

section("array sizes", function()
  local list = {}
  for n = 0, 70 do
    local t = {}
    for i = 1, n do t[i] = i end
    for i = n, n / 2, -1 do t[i] = nil end
    local _ = #t
    list[#list + 1] = t
    list[#list + 1] = {unpack(t)}
    list[#list + 1] = {1, 2, 3, x = n, y = t}
  end
  return list, list[10], list[20], list[30]
end)

section("strings", function()
  local list = {}
  for i = 1, 400 do list[i] = ("x"):rep(i) .. i end
  list[#list + 1] = ("long"):rep(50000)
  list[#list + 1] = "with\0zero" .. random(100)
  list[#list + 1] = table.concat(list)
  list[#list + 1] = probe.text(("kept"):rep(50))
  for i = 1, 20 do list[#list + 1] = probe.text(("given"):rep(50) .. i, true) end
  return list, list[5], list[401]
end)

section("closures", function()
  local list = {}
  for i = 1, 100 do
    local a, b, c = {}, "b" .. i, i
    list[#list + 1] = function() a = b; return c end
    list[#list + 1] = function() c = c + 1; return a end
    list[#list + 1] = function() return function() return a, b end end
    list[#list + 1] = list[#list]()
    list[#list + 1] = probe.closure({}, "text" .. i, i, nil, list)
    list[#list + 1] = load("local x = {} return function() x[1] = x end, 'constant" .. i .. "', " .. i)
    list[#list + 1] = list[#list]()
  end
  return list, list[3], list[50], list[77]
end)

section("prototypes", function()
  local list = {}
  for i = 1, 40 do
    local source = {"local t = {} local function f" .. i .. "(a, b, ...) local c = {...}"}
    for j = 1, i * 3 do source[#source + 1] = ("local v%d = 'k%d_%d' t.f%d = v%d\n"):format(j % 150, i, j, j, j % 150) end
    source[#source + 1] = " return c end return f" .. i
    local chunk = load(table.concat(source, "\n"):gsub("local v%d+", function(s) return s end), i % 2 == 0 and "=chunk" or nil)
    list[#list + 1] = chunk
    if chunk then
      list[#list + 1] = load(string.dump(chunk))
      list[#list + 1] = select(2, pcall(load, string.dump(chunk, true)))
      list[#list + 1] = chunk()
    end
  end
  return list, list[1], list[2]
end)

section("metatables", function()
  local class = setmetatable({}, {__call = function(c) return setmetatable({}, c) end, __index = {a = {}}})
  class.__index = class
  local list = {}
  for i = 1, 200 do list[i] = setmetatable({}, {__index = list[i - 1], __metatable = {}}) end
  for i = 1, 200 do list[#list + 1] = class() end
  debug.setmetatable(0, {__index = {of_numbers = {}}})
  debug.setmetatable(print, {__index = {of_functions = {}}})
  debug.setmetatable(nil, {__index = {}})
  debug.setmetatable(true, {__index = {}})
  return list, class
end)
debug.setmetatable(0, nil)
debug.setmetatable(print, nil)
debug.setmetatable(nil, nil)
debug.setmetatable(true, nil)

section("userdata", function()
  local list = {}
  local shared = {__name = "Shared", __index = {}}
  for i = 1, 120 do
    local u = probe.userdata(i * 7, i % 2 == 0 and shared or nil, i % 5)
    if debug.setuservalue then
      pcall(debug.setuservalue, u, {i}, 1)
      pcall(debug.setuservalue, u, {i}, i % 5)
    else
      debug.setfenv(u, {i})
    end
    list[i] = u
  end
  list[#list + 1] = io.tmpfile()
  return list, list[7], list[19]
end)

if setfenv then
  section("environments", function()
    local list = {}
    for i = 1, 50 do
      local f = load("x = {} return function() y = {} end")
      setfenv(f, setmetatable({}, {__index = _G}))
      list[#list + 1] = f
      list[#list + 1] = f()
      local co = coroutine.create(f)
      debug.setfenv(co, {})
      list[#list + 1] = co
    end
    return list, list[1], list[2], list[3]
  end)
end

-- -- Coroutines, stopped in every way ---------------------------------------------

local function deep(n, ...)
  local a_local = {n}
  if n == 0 then return coroutine.yield(a_local, ...) end
  local r = {deep(n - 1, a_local, ...)}
  return r, a_local
end

section("coroutines", function()
  local list = {}
  local function add(f, ...)
    local co = coroutine.create(f)
    list[#list + 1] = co
    coroutine.resume(co, ...)
    return co
  end
  for i = 1, 40 do
    list[#list + 1] = coroutine.create(deep)
    add(deep, i, {}, "x" .. i)
    add(function() local up = {}; local f = function() return up end; coroutine.yield(f); up = f end)
    add(function() error({"failed"}) end)
    add(function() return {} end)
    add(function() for k, v in pairs({a = {}, b = {}}) do coroutine.yield(k, v) end end)
    add(function(...) local packed = {...}; coroutine.yield(packed); coroutine.yield() end, {}, {}, {})
    add(function() table.sort({3, 1, 2}, function(a, b) return a < b end); coroutine.yield() end)
    add(function() pcall(function() local held = {}; coroutine.yield(held) end) end)
    local wrapped = coroutine.wrap(function() local w = {}; coroutine.yield(w); return w end)
    wrapped()
    list[#list + 1] = wrapped
    add(function() setmetatable({}, {__index = function(_, k) local in_meta = {}; coroutine.yield(in_meta) end}).x = nil end)
    add(function() local co = coroutine.create(deep); coroutine.resume(co, 3); coroutine.yield(co) end)
    add(function() coroutine.yield(coroutine.running()) end)
  end
  -- An open upvalue that outlives its coroutine, and one that nothing but the stack has.
  for i = 1, 20 do
    local getter
    local co = coroutine.create(function() local open = {i}; getter = function() return open end; coroutine.yield() end)
    coroutine.resume(co)
    list[#list + 1] = getter
    co = coroutine.create(function() local open = {i}; local _ = function() return open end; _ = nil; coroutine.yield() end)
    coroutine.resume(co)
    list[#list + 1] = co
  end
  return list, list[2], list[5], list[11], list[530]
end)

section("inside a coroutine", function()
  local co = coroutine.wrap(function()
    local a, b = {}, {}
    local f = function() return a end
    probe.check("running in a coroutine")
    coroutine.wrap(function() local c = {b}; probe.check("two coroutines deep"); return c end)()
    return f
  end)
  return co(), co
end)

section("inside calls", function()
  local checks = 0
  local function check(what) checks = checks + 1; probe.check(what) end
  table.sort({2, 1}, function(a, b) if checks == 0 then check("in table.sort") end return a < b end)
  string.gsub("x", "x", function() check("in string.gsub") end)
  pcall(function() local a = {}; check("in pcall"); return a end)
  local t = setmetatable({}, {__index = function(self, k) check("in a metamethod"); return {} end})
  local _ = t.x
  local meta = setmetatable({}, {__concat = function(a, b) check("in a concatenation"); return {} end})
  _ = meta .. "x"
  xpcall(function() error({}) end, function() check("in an error handler") end)
  for i in (function(_, i) check("in an iterator") end) do end
  return t, meta
end)

section("deep stacks", function()
  local function down(n)
    local t = {n}
    if n > 0 then down(n - 1) else probe.check("deep in a recursion") end
    return t
  end
  down(150)
  return {}
end)

-- -- Weak tables -------------------------------------------------------------------

local modes = {"k", "v", "kv"}
section("weak tables", function()
  local list = {}
  for i = 1, 90 do
    local t = setmetatable({}, {__mode = modes[i % 3 + 1]})
    local strong = {}
    for j = 1, 10 do
      t[j] = {}
      t["string key" .. i .. j] = {}
      t[{}] = {}
      t[{}] = "string value" .. i .. "," .. j
      t["both strings" .. i .. j] = "value" .. i .. j
      t[strong] = {}
      t[{}] = j
      t["number value" .. i .. j] = j
      t[function() return strong end] = strong
    end
    t.self = t
    t[t] = t
    list[i] = t
    list[#list + 1] = strong
  end
  return list, list[5], list[7]
end)

section("chains of weak keys", function()
  -- k1 -> k2 -> k3 …, each the value under the one before: held from the first on if the first is held.
  local list = {}
  for i = 1, 30 do
    local t = setmetatable({}, {__mode = "k"})
    local first = {}
    local key = first
    for j = 1, 20 do
      local value = {}
      t[key] = value
      key = value
    end
    list[#list + 1] = t
    list[#list + 1] = i % 2 == 0 and first or {}
    -- across two tables, and a cycle
    local u = setmetatable({}, {__mode = "k"})
    local a, b = {}, {}
    u[a], t[b] = b, a
    list[#list + 1] = u
  end
  return list, list[1], list[4]
end)

section("random graphs", function()
  local nodes = {}
  for i = 1, 600 do
    local kind = random(6)
    local mt = kind <= 3 and {__mode = modes[kind]} or nil
    nodes[i] = kind == 6 and function() return nodes end or setmetatable({}, mt)
  end
  for i = 1, 2500 do
    local from, key, to = nodes[random(600)], nodes[random(600)], nodes[random(600)]
    if type(from) == "table" then
      local how = random(4)
      if how == 1 then from[key] = to elseif how == 2 then from[random(40)] = to
      elseif how == 3 then from["s" .. random(40)] = to else from[key] = "text" .. random(900) end
    end
  end
  for i = 1, 600 do if type(nodes[i]) == "function" then nodes[i] = {nodes[random(600)]} end end
  local few = {}
  for i = 1, 12 do few[i] = nodes[random(600)] end
  return few
end)

-- -- Finalizers ---------------------------------------------------------------------

section("finalizers", function()
  local list = {}
  local finalized = {__gc = probe.noop, __name = "Finalized"}
  local shared = setmetatable({}, {__mode = "k"})
  local values = setmetatable({}, {__mode = "v"})
  for i = 1, 60 do
    local u = probe.userdata(16, finalized, 1)
    if debug.setuservalue then debug.setuservalue(u, {u, {}}) else debug.setfenv(u, {u, {}}) end
    shared[u] = {i}
    values[i] = u
    list[#list + 1] = u
    list[#list + 1] = setmetatable({u, {}}, finalized) -- a table: 5.2 and later
    local v = probe.userdata(16, {__gc = probe.noop})
    shared[v] = {v}
  end
  return list, shared, values, list[3], list[10]
end)

section("finalizers that have run", function()
  local ran = 0
  local mt = {__gc = function() ran = ran + 1 end}
  for i = 1, 20 do probe.userdata(8, mt) end
  return mt
end)

-- -- LuaJIT ---------------------------------------------------------------------------

if jit then
  section("traces", function()
    local list = {}
    for i = 1, 30 do
      local f = load("local t = {} for i = 1, 200 do t[i] = {i, 'x'} if i % 7 == 0 then t[i].y = {} end end return t")
      list[#list + 1] = f
      list[#list + 1] = f()
    end
    local s = 0
    for i = 1, 1000 do s = s + #("x" .. i) end
    return list, list[1]
  end)
  jit.flush()
  section("flushed traces", function() return {} end)

  local ok, ffi = pcall(require, "ffi")
  if ok then
    section("cdata", function()
      local list = {}
      ffi.cdef("typedef struct { int x, y; } a_point; struct a_node { struct a_node *next; double d[4]; };")
      for i = 1, 100 do
        list[#list + 1] = ffi.new("a_point", i, i)
        list[#list + 1] = ffi.new("int[?]", i)
        list[#list + 1] = ffi.new("struct a_node")
        list[#list + 1] = ffi.new("struct a_node *", list[#list])
        list[#list + 1] = ffi.typeof("a_point")
        list[#list + 1] = ffi.cast("int64_t", i)
        list[#list + 1] = ffi.new("double", i)
        list[#list + 1] = ffi.cast("void *", i)
        list[#list + 1] = {[ffi.new("int", i)] = ffi.new("int", i)}
        list[#list + 1] = ffi.new("char[8]")
        list[#list + 1] = ffi.gc(ffi.new("int[2]"), probe.noop)
      end
      local point = ffi.metatype("struct {int q;}", {__index = {method = function() end}})
      list[#list + 1] = point(3)
      list[#list + 1] = ffi.cast("int (*)(int)", function(a) return a end)
      list[#list + 1] = ffi.C
      return list, list[1], list[11], list[23]
    end)
    section("large cdata", function() return ffi.new("char[?]", 3000000), ffi.new("char[70000]") end)
  end
  local has_buffer, buffer = pcall(require, "string.buffer")
  if has_buffer then
    section("string buffers", function()
      local list = {}
      for i = 1, 30 do
        local b = buffer.new()
        b:put(("x"):rep(i * 10))
        list[#list + 1] = b
        list[#list + 1] = buffer.new({dict = {"a", "b"}})
        list[#list + 1] = buffer.new():set("a text" .. i)
      end
      return list, list[2]
    end)
  end
  section("light userdata", function() return io.stdout, {[newproxy and newproxy(true) or 1] = 1} end)
end

section("everything dropped", function() kept = {} end)
