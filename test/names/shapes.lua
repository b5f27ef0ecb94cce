-- Functions of every shape, each of which keeps a table on a line of its own. Behind it stands what the function is
-- called, with the source and without it. What debug.traceback says of the same functions is printed at the end.
local gone = ...
local keep, seen = {}, {}
local function note() seen[debug.getinfo(2, "l").currentline] = debug.traceback("", 2) end
if gone == "gone" then os.remove(arg[0]) end

function global_one()
  note() keep[#keep + 1] = {} --: global_one | global_one
end
global_one()

a = { b = {} }
function a.b.c()
  note() keep[#keep + 1] = {} --: a.b.c | field c
end
a.b.c()

Account = {}
Account.__index = Account
function Account:deposit(v)
  note() keep[#keep + 1] = {} --: Account:deposit | method deposit
end
setmetatable({}, Account):deposit(1)

local function locally()
  note() keep[#keep + 1] = {} --: locally | local locally
end
locally()

local cache = {}
cache.put = function()
  note() keep[#keep + 1] = {} --: cache.put | field put
end
cache.put()

local t = {
  put = function()
    note() keep[#keep + 1] = {} --: t.put | field put
  end,
  on = { click = function()
    note() keep[#keep + 1] = {} --: t.on.click | field click
  end },
  function()
    note() keep[#keep + 1] = {} --: t[1] | anonymous
  end,
}
t.put() t.on.click() t[1]()

local handler
local function calls_handler()
  handler() return nil
end
handler = (function() return function()
  note() keep[#keep + 1] = {} --: upvalue handler | upvalue handler
end end)()
calls_handler()

local function use(f) f() return nil end
use(function()
  note() keep[#keep + 1] = {} --: local f | local f
end)

pcall(function()
  note() keep[#keep + 1] = {} --: anonymous | anonymous
end)
table.sort({ 2, 1 }, function(x, y)
  note() keep[#keep + 1] = {} --: anonymous | anonymous
  return x < y
end)
string.gsub("x", "x", function()
  note() keep[#keep + 1] = {} --: anonymous | anonymous
end)

local object = setmetatable({}, {
  __index = function()
    note() keep[#keep + 1] = {} --: metamethod __index | metamethod __index
  end,
  __newindex = function()
    note() keep[#keep + 1] = {} --: metamethod __newindex | metamethod __newindex
  end,
  __add = function()
    note() keep[#keep + 1] = {} --: metamethod __add | metamethod __add
  end,
  __concat = function()
    note() keep[#keep + 1] = {} --: metamethod __concat | metamethod __concat
  end,
  __eq = function()
    note() keep[#keep + 1] = {} --: metamethod __eq | metamethod __eq
    return true
  end,
  __lt = function()
    note() keep[#keep + 1] = {} --: metamethod __lt | metamethod __lt
    return true
  end,
  __unm = function()
    note() keep[#keep + 1] = {} --: metamethod __unm | metamethod __unm
  end,
  __call = function()
    note() keep[#keep + 1] = {} --: metamethod __call | local object
  end,
})
local other = setmetatable({}, getmetatable(object))
local _ = object.field, object + 1, object .. "x", object == other, object < other, -object
object.field = 1
object()
getmetatable(object).__index = nil

for _ in (function(_, n)
  note() keep[#keep + 1] = {} --: for iterator | for iterator
  if not n then return 1 end
end) do end

local function called_last()
  note() keep[#keep + 1] = {} --: called_last | anonymous
end
local function calls_last() return called_last() end
calls_last()
local function apply(f) return f() end
apply(function()
  note() keep[#keep + 1] = {} --: anonymous | anonymous
end)
function apply_globally(f) return f() end
apply_globally(function()
  note() keep[#keep + 1] = {} --: anonymous | anonymous
end)
local M2 = {}
function M2.apply(f) return f() end
function M2:each(f) return f() end
M2.apply(function()
  note() keep[#keep + 1] = {} --: anonymous | anonymous
end)
local sub = setmetatable({}, { __index = M2 })
sub:each(function()
  note() keep[#keep + 1] = {} --: anonymous | anonymous
end)
local function by_upvalue()
  apply(function()
    note() keep[#keep + 1] = {} --: anonymous | anonymous
  end)
  M2.apply(function()
    note() keep[#keep + 1] = {} --: anonymous | anonymous
  end)
end
by_upvalue()

coroutine.wrap(function()
  note() keep[#keep + 1] = {} --: anonymous | anonymous
end)()
local function body()
  note() keep[#keep + 1] = {} --: body | anonymous
end
coroutine.resume(coroutine.create(body))

local function make_module()
  return {
    exported = function()
      note() keep[#keep + 1] = {} --: shapes.module.exported | shapes.module.exported
    end,
  }
end
package.loaded["shapes.module"] = make_module()
require("shapes.module").exported()

local M = {}
function M.from_table()
  note() keep[#keep + 1] = {} --: M.from_table | shapes.other.from_table
end
package.loaded["shapes.other"] = M
M.from_table()

local reached, other_one = function() note() keep[#keep + 1] = {} end, function() end --: reached | local reached
reached() other_one()

local finalized = false
coroutine.wrap(function() -- whose stack is gone then
  local function finalizer()
    finalized = true
    note() keep[#keep + 1] = {} --: finalizer | metamethod __gc
  end
  local meta = { __gc = finalizer }
  if newproxy then getmetatable(newproxy(true)).__gc = finalizer else setmetatable({}, meta) end
end)()
while not finalized do garbage = { {} } end

do
  local hooked = false
  local function on_count()
    debug.sethook()
    hooked = true
    note() keep[#keep + 1] = {} --: on_count | hook
  end
  if jit then jit.off() end
  if not os.getenv("SHAPES_WITHOUT_HOOK") then debug.sethook(on_count, "", 100) else on_count() hooked = true end
  while not hooked do end
end

;(loadstring or load)("\n" .. [[
local keep, note = ...
local function inside()
  note() keep[#keep + 1] = {} --> inside
end
inside()
local list = { deep = { down = function()
  note() keep[#keep + 1] = {} --> list.deep.down
end } }
list.deep.down()
use = function(f) f() return nil end
use(function()
  note() keep[#keep + 1] = {} --> local f
end)
]])(keep, note)

note() keep[#keep + 1] = {} --: main chunk | main chunk

for line, text in pairs(seen) do
  print(line, text:match("^\n[^\n]*\n[^\n]-: in ([^\n]*)"))
end
