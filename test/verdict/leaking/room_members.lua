-- Lobby: each room has a set of the numbers of all who ever came in; leaving does not take the number out.
local checkpoint = checkpoint or function() end

local rooms = {}
local joins, leaves = 0, 0

for i = 1, 64 do
  rooms[i] = { name = "room " .. i, members = {}, present = 0 }
end

local seed = 4096
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function join(room, player)
  if not room.members[player] then
    room.members[player] = true --@leak
    joins = joins + 1
  end
  room.present = room.present + 1
end

local function leave(room)
  room.present = room.present - 1
  leaves = leaves + 1
end

local function announce(room, player)
  local text = "player " .. player .. " enters " .. room.name
  return #text + room.present
end

local newest = 100000
local announced = 0
for hour = 1, 50 do
  for _ = 1, 5000 do
    newest = newest + random(9)
    local room = rooms[math.min(random(64), random(64))]
    join(room, newest)
    announced = announced + announce(room, newest)
    leave(room)
  end
  checkpoint()
end
print(joins, leaves, announced)
