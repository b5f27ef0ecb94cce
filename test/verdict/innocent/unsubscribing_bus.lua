-- Chat server: sessions listen to the bus while they are there and stop listening when they leave.
local checkpoint = checkpoint or function() end

local bus = { listeners = {}, next_key = 0, emitted = 0 }

local function on(event, listener)
  bus.next_key = bus.next_key + 1
  local key = bus.next_key
  local list = bus.listeners[event] or {}
  bus.listeners[event] = list
  list[key] = listener
  return function() list[key] = nil end
end

local function emit(event, text)
  bus.emitted = bus.emitted + 1
  for _, listener in pairs(bus.listeners[event] or {}) do listener(text) end
end

local seed = 31
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local present, received = {}, 0

local function join(name)
  local session = { name = name, inbox = {}, length = 0 }
  local forget = on("message", function(text)
    session.length = session.length + #text
    session.inbox[session.length % 5 + 1] = text
    received = received + 1
  end)
  session.leave = function() forget() end
  present[#present + 1] = session
end

for tick = 1, 40 do
  for step = 1, 620 do
    join("user" .. tick .. "-" .. step)
    if #present > 60 then
      local session = table.remove(present, random(#present))
      session.leave()
    end
    emit("message", "tick " .. tick .. " step " .. step)
  end
  checkpoint()
end
print(#present, bus.emitted, received)
