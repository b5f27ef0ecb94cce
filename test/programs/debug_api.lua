-- The debug library, which looks at the frames that are being recorded.
local kept = {}
local function look(depth)
  local t = { depth }
  kept[#kept + 1] = t
  if depth > 0 then return 1 + look(depth - 1) end
  local levels = 0
  while true do
    local info = debug.getinfo(levels + 1, "nSlu")
    if not info then break end
    levels = levels + 1
  end
  local name, value = debug.getlocal(1, 1)
  assert(name == "depth" and value == 0)
  debug.setlocal(1, 1, { "changed" })
  assert(depth[1] == "changed")
  return levels
end
print(look(30) > 30)
print(#debug.traceback("message", 1) > 20)
local function upvalues() return kept, look end
print((debug.getupvalue(upvalues, 1)), (debug.getupvalue(upvalues, 2)))
debug.setupvalue(upvalues, 1, { "other" })
print(upvalues()[1])
local co = coroutine.create(function() local secret = { 5 } coroutine.yield(secret) end)
coroutine.resume(co)
print(debug.getlocal(co, 1, 1) == "secret", #debug.traceback(co) > 10)
print(debug.getinfo(look, "L").activelines ~= nil, debug.getinfo(print).what)
local mt = debug.getmetatable("") 
print(type(mt.__index))
if debug.upvaluejoin then debug.upvaluejoin(upvalues, 1, look, 1) end
print(type(debug.getregistry()))
