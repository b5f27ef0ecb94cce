-- Scheduler: a repeating timer is put back when it has fired; pausing and resuming starts it once more.
local checkpoint = checkpoint or function() end

local wheel, now = {}, 0
local fired = 0

local function insert(entry)
  local due = now + entry.timer.period
  local slot = wheel[due]
  if not slot then
    slot = {}
    wheel[due] = slot
  end
  slot[#slot + 1] = entry --@also
end

local function start(timer)
  insert({ timer = timer, started = now, fired = 0 }) --@leak
end

local function every(period, action)
  local timer = { period = period, action = action, count = 0, paused = false }
  start(timer)
  return timer
end

local function pause(timer) timer.paused = true end

local function resume(timer)
  timer.paused = false
  start(timer)
end

local function tick()
  now = now + 1
  local slot = wheel[now]
  wheel[now] = nil
  if not slot then return end
  for _, entry in ipairs(slot) do
    fired = fired + 1
    entry.fired = entry.fired + 1
    entry.timer.count = entry.timer.count + 1
    if not entry.timer.paused then entry.timer.action(entry.timer) end
    insert(entry)
  end
end

local log = {}
local timers = {}
for i = 1, 25 do
  timers[i] = every(40 + i, function(timer) log[i] = "timer " .. i .. " fired " .. timer.count .. " times" end)
end

for second = 1, 9600 do
  tick()
  if second % 4 == 0 then
    local timer = timers[second % 25 + 1]
    pause(timer)
    resume(timer)
  end
  if second % 240 == 0 then checkpoint() end
end
print("fired", fired)
