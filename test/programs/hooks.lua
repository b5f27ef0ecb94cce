-- A program that uses the debug hooks itself.
local events = {}
local function note(event) events[event] = (events[event] or 0) + 1 local t = { event } return t end
local function work()
  local t = {}
  for i = 1, 100 do
    t[i] = { i }
  end
  return #t
end

debug.sethook(note, "l")
work()
debug.sethook()
print("lines", events.line)
events = {}
debug.sethook(note, "cr")
for _ = 1, 10 do work() end
debug.sethook()
print("calls", (events.call or 0) > 0, (events["return"] or 0) > 0)
events = {}
debug.sethook(note, "", 100)
for _ = 1, 100 do work() end
debug.sethook()
print("counts", (events.count or 0) > 10)

local co = coroutine.create(function() work() coroutine.yield() work() end)
debug.sethook(co, note, "l")
events = {}
coroutine.resume(co)
coroutine.resume(co)
print("coroutine", events.line ~= 0)

debug.sethook(function() error("stop here", 0) end, "", 1000)
print(pcall(function() while true do work() end end))
debug.sethook()
debug.sethook(function() collectgarbage("step") end, "", 500)
for _ = 1, 20 do work() end
local hook, mask, count = debug.gethook()
print(type(hook), mask, count)
