-- Errors: as strings, as tables, from C, in handlers, in metamethods, rethrown.
local function thrower(kind, depth)
  local t = { depth }
  if depth > 0 then return (thrower(kind, depth - 1)) end
  if kind == "table" then error(t) end
  if kind == "string" then error("text " .. kind) end
  if kind == "index" then return t.x.y end
  if kind == "call" then return t() end
  if kind == "arithmetic" then return t + 1 end
  if kind == "c" then return ("x"):rep({}) end
  error()
end
for _, kind in ipairs { "table", "string", "index", "call", "arithmetic", "c", "nil" } do
  for i = 1, 50 do
    local ok, problem = pcall(thrower, kind, i % 8)
    assert(not ok)
    if i == 1 then print(kind, type(problem)) end
  end
end

local traces = 0
for i = 1, 100 do
  xpcall(function() thrower("string", i % 12) end, function(problem)
    traces = traces + #debug.traceback(problem, 1):sub(1, 4)
    return { problem }
  end)
end
print(traces)
print((xpcall(function() error("first") end, function() error("in the handler") end)))

local object = setmetatable({}, { __index = function(_, key) error({ key }) end })
local ok, problem = pcall(function() return object.missing end)
print(ok, problem[1])

local function rethrow(n)
  local fine, what = pcall(function()
    if n == 0 then error({ "deepest" }) end
    rethrow(n - 1)
  end)
  if not fine then error(what, 0) end
end
local _, deepest = pcall(rethrow, 15)
print(deepest[1])
print(select(2, pcall(error)))
print(pcall(assert, false, "assertion"))
print(pcall(string.rep))
