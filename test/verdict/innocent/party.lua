-- Guests come until midnight and leave after it, one by one.
local checkpoint = checkpoint or function() end
local guests = {}
local function arrive(i) guests[#guests + 1] = { name = "guest " .. i, drinks = {}, talk = { i, i + 1 } } end
local function chat(guest)
  guest.drinks = { "juice", "water" }
  return #("hello " .. guest.name)
end
local talked = 0
for minute = 1, 480 do
  if minute <= 240 then
    for i = 1, 4 do arrive(minute * 4 + i) end
  else
    for _ = 1, 4 do table.remove(guests, 1) end
  end
  for i = 1, #guests, 3 do talked = talked + chat(guests[i]) end
  if minute % 12 == 0 then checkpoint() end
end
print(talked)
