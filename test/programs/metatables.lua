-- Metatables, and finalizers that allocate: during the run and when the state
-- is closed.
local V = {}
V.__index = V
V.__add = function(a, b) return setmetatable({ a[1] + b[1] }, V) end
V.__concat = function(a, b) return "v" .. tostring(type(a)) .. type(b) end
V.__eq = function(a, b) return a[1] == b[1] end
V.__lt = function(a, b) local t = {} return a[1] < b[1] and t ~= nil end
V.__call = function(self, x) return setmetatable({ self[1] * x }, V) end
V.__tostring = function(self) return "V(" .. self[1] .. ")" end
V.__len = function() return 7 end
V.__unm = function(a) return setmetatable({ -a[1] }, V) end
V.__newindex = function(t, k, v) rawset(t, k, { v }) end
local v = setmetatable({ 1 }, V)
for i = 1, 1000 do v = v + setmetatable({ 1 }, V) end
print(tostring(v), v .. v, tostring(v(2)), tostring(-v), v < v(2), v == v(1))
v.name = "x"
print(type(v.name))

local lazy = setmetatable({}, { __index = function(t, k) local value = { k } rawset(t, k, value) return value end })
for i = 1, 500 do assert(lazy[i][1] == i) end
local proxy = setmetatable({}, { __index = lazy })
for i = 400, 600 do assert(proxy[i][1] == i) end

local finalised, resurrected = 0, {}
local function with_finalizer(finalizer)
  if newproxy then
    local u = newproxy(true)
    getmetatable(u).__gc = finalizer
    return u
  end
  return setmetatable({}, { __gc = finalizer })
end
for i = 1, 1000 do
  with_finalizer(function(object)
    finalised = finalised + 1
    local t = { i, tostring(i) }
    if i % 100 == 0 then resurrected[#resurrected + 1] = { object, t } end
  end)
end
collectgarbage()
collectgarbage()
print(finalised >= 999, #resurrected >= 9)

-- These run when the state is closed, and allocate then.
at_exit = {}
for i = 1, 20 do
  at_exit[i] = with_finalizer(function()
    local t = {}
    for j = 1, 50 do t[j] = { j } end
    io.write("finalizer ", i, " ", #t, "\n")
  end)
end
with_finalizer(function() error("in a finalizer of garbage") end)
print(pcall(collectgarbage) ~= nil)
