-- Chat server: every session listens to its room; leaving the room forgets the session but not its listener.
local checkpoint = checkpoint or function() end

local Bus = {}
Bus.__index = Bus

function Bus.new()
  return setmetatable({ listeners = {}, emitted = 0 }, Bus)
end

function Bus:on(event, listener)
  local list = self.listeners[event]
  if not list then
    list = {}
    self.listeners[event] = list
  end
  list[#list + 1] = listener --@also
end

function Bus:emit(event, ...)
  self.emitted = self.emitted + 1
  local list = self.listeners[event]
  -- Only the newest few are called: old sessions ignore what they hear anyway.
  for i = math.max(1, #list - 20), #list do list[i](...) end
end

local seed = 7
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local bus = Bus.new()
local sessions, next_id = {}, 0

local function join(name)
  next_id = next_id + 1
  local session = { id = next_id, name = name, inbox = {} } --@leak
  sessions[next_id] = session
  bus:on("message", function(from, text) session.inbox[1] = from .. ": " .. text end) --@leak
  return session
end

local function leave(session)
  sessions[session.id] = nil
  session.inbox = {} --@also
end

local function chatter(session)
  local words = {}
  for i = 1, 6 do words[i] = "word" .. random(5000) end
  bus:emit("message", session.name, table.concat(words, " "))
end

for round = 1, 40 do
  for _ = 1, 330 do
    local session = join("user" .. random(1000))
    chatter(session)
    chatter(session)
    leave(session)
  end
  checkpoint()
end
print("emitted", bus.emitted)
