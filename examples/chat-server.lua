#!/usr/bin/env lua5.4
-- A small chat server that leaks: try Seepline on it.
--
--     ./dev/seepline run examples/chat-server.lua [ROUNDS [fixed]]
--
-- Nothing here talks to a network or sleeps. Every round some users join, everybody in the chat says something, and
-- some leave again. All of it is computed from a fixed seed, so that every run, on any Lua from 5.1 on, does the same.
--
-- What keeps memory, and whether it should:
--   history    the last messages of each room; grows until each room has HISTORY_SIZE of them, then stays   innocent
--   sessions   one for each user in the chat; ends when he leaves or is silent for too long                 innocent
--   listeners  what to call when something happens; three for each user who joins, and never removed        THE LEAK
--
-- All three get their records from one helper, `new_record`. So the line that allocates is the same for all, and only
-- the lines that called it tell the leak from the rest. The argument `fixed` mends the leak (see `Server:leave`).

local DEFAULT_ROUNDS = 1000
local ROOM_NAMES = { "lobby", "lua", "games", "music", "films", "books", "cooking", "garden" }
local HISTORY_SIZE = 50       -- messages kept for each room
local SESSION_TIMEOUT = 5     -- rounds of silence until a session ends
local JOINS_PER_ROUND = 20
local ANNOUNCE_EVERY = 50     -- rounds

local function usage()
  io.stderr:write("usage: chat-server.lua [ROUNDS [fixed]]\n")
  os.exit(2)
end

local first, second = ...
local rounds = first == nil and DEFAULT_ROUNDS or tonumber(first)
if not rounds or rounds < 1 or (second ~= nil and second ~= "fixed") then usage() end
local fixed = second == "fixed"

----------------------------------------------------------------------------------------------------
-- Utilities

-- The round that is being played: our clock.
local now = 0

-- Random numbers of our own (math.random differs from Lua to Lua): an integer from 1 to n.
local seed = 20260101
local function random(n)
  seed = seed * 16807 % 2147483647
  return seed % n + 1
end

-- Every record of the server is made here: it remembers whose it is and since when.
local function new_record(owner, value)
  return { owner = owner, value = value, since = now }
end

----------------------------------------------------------------------------------------------------
-- History: the last messages of a room. A ring: when it is full, a new message takes the place of the oldest.

local History = {}
History.__index = History

function History.new(size)
  return setmetatable({ size = size, added = 0, messages = {} }, History)
end

function History:add(author, text)
  local record = new_record(author, text)
  self.messages[self.added % self.size + 1] = record
  self.added = self.added + 1
end

----------------------------------------------------------------------------------------------------
-- Sessions: who is in the chat, by name. A session that is not used for a while ends by itself.

local Sessions = {}
Sessions.__index = Sessions

function Sessions.new()
  return setmetatable({ by_name = {} }, Sessions)
end

function Sessions:open(user)
  local record = new_record(user, "token-" .. user.name)
  self.by_name[user.name] = record
end

function Sessions:touch(user)
  self.by_name[user.name].since = now
end

function Sessions:is_expired(user)
  return now - self.by_name[user.name].since >= SESSION_TIMEOUT
end

function Sessions:close(user)
  self.by_name[user.name] = nil
end

----------------------------------------------------------------------------------------------------
-- Emitter: calls everyone who listens to an event.

local Emitter = {}
Emitter.__index = Emitter

function Emitter.new()
  return setmetatable({ listeners = {} }, Emitter)
end

-- From now on, calls `callback` whenever `event` happens.
function Emitter:on(event, owner, callback)
  local list = self.listeners[event]
  if not list then
    list = {}
    self.listeners[event] = list
  end
  local record = new_record(owner, callback)
  list[#list + 1] = record
end

-- Forgets all listeners of `owner`.
function Emitter:off(owner)
  for _, list in pairs(self.listeners) do
    for i = #list, 1, -1 do
      if list[i].owner == owner then table.remove(list, i) end
    end
  end
end

-- Returns how many were called.
function Emitter:emit(event, ...)
  local list = self.listeners[event] or {}
  for i = 1, #list do list[i].value(...) end
  return #list
end

----------------------------------------------------------------------------------------------------
-- The server

local Server = {}
Server.__index = Server

local function new_room(name)
  return { name = name, members = {}, history = History.new(HISTORY_SIZE) }
end

function Server.new()
  local self = setmetatable({}, Server)
  self.rooms = {}
  for i, name in ipairs(ROOM_NAMES) do self.rooms[i] = new_room(name) end
  self.sessions = Sessions.new()
  self.events = Emitter.new()
  self.joined, self.left, self.messages, self.bytes_sent, self.reached = 0, 0, 0, 0, 0
  return self
end

function Server:join(name, room)
  local user = { name = name, room = room, inbox = 0 }
  room.members[#room.members + 1] = user
  self.sessions:open(user)
  self.joined = self.joined + 1

  self.events:on("announcement", user, function() user.inbox = user.inbox + 1 end)
  self.events:on("topic", user, function(topic) user.topic = topic end)
  self.events:on("shutdown", user, function() user.inbox = 0 end)
  return user
end

-- The user's seat and session are given back, but not his listeners. They stay in `events.listeners`, and each of them
-- keeps the user alive. One line was forgotten here: the last one, which runs with the argument `fixed` only.
function Server:leave(user)
  local members = user.room.members
  for i = #members, 1, -1 do
    if members[i] == user then table.remove(members, i) end
  end
  self.sessions:close(user)
  self.left = self.left + 1
  if fixed then self.events:off(user) end
end

-- Shows the message to everyone in the room and keeps it in the room's history.
function Server:say(user, text)
  local room = user.room
  local line = string.format("[%s] round %d <%s> %s", room.name, now, user.name, text)
  room.history:add(user.name, line)
  self.sessions:touch(user)
  self.bytes_sent = self.bytes_sent + #line * #room.members
  self.messages = self.messages + 1
end

function Server:announce(text)
  self.reached = self.events:emit("announcement", text)
end

function Server:online()
  local count = 0
  for _, room in ipairs(self.rooms) do count = count + #room.members end
  return count
end

----------------------------------------------------------------------------------------------------
-- The simulation

local WORDS = { "hello", "anyone", "there", "yes", "no", "maybe", "nice", "thanks", "lunch", "later", "again" }

local function sentence()
  local text = WORDS[random(#WORDS)]
  for _ = 1, 2 + random(6) do
    text = text .. " " .. WORDS[random(#WORDS)]
  end
  return text
end

-- One user's turn. Most talk; some say goodbye; some only vanish, and are noticed when their session has expired.
local function act(server, user)
  if user.silent then
    if server.sessions:is_expired(user) then server:leave(user) end
    return
  end
  local mood = random(20)
  if mood == 1 then
    server:leave(user)
  elseif mood == 2 then
    user.silent = true
  else
    server:say(user, sentence())
  end
end

local function play_round(server)
  now = now + 1
  for _ = 1, JOINS_PER_ROUND do
    server:join("user" .. (server.joined + 1), server.rooms[random(#server.rooms)])
  end
  for _, room in ipairs(server.rooms) do
    for i = #room.members, 1, -1 do act(server, room.members[i]) end
  end
  if now % ANNOUNCE_EVERY == 0 then server:announce("the server is " .. now .. " rounds old") end
end

local function main()
  print(string.format("chat server: %d rooms, %d rounds%s", #ROOM_NAMES, rounds, fixed and ", fixed" or ""))
  local server = Server.new()
  _G.app = server -- the name under which Seepline finds what the server holds
  for _ = 1, rounds do play_round(server) end
  print(string.format("%d users joined, %d left, %d are online", server.joined, server.left, server:online()))
  print(string.format("%d messages, %d bytes sent", server.messages, server.bytes_sent))
  print(string.format("the last announcement reached %d listeners", server.reached))
  server.events:emit("shutdown")
  print("server stopped")
end

main()
