-- Message broker: duplicates are recognised by their number; the set of numbers seen only grows. It holds nothing but
-- numbers and `true`, so the set's own hash part is all that grows.
local checkpoint = checkpoint or function() end

local seen, delivered, duplicates = {}, 0, 0
local seed = 4711

local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end

local function decode(frame)
  local kind, number = frame:match("^(%a+) (%d+)$")
  return kind, tonumber(number)
end

local function deliver(kind, number)
  if seen[number] then
    duplicates = duplicates + 1
    return
  end
  seen[number] = true --@leak
  delivered = delivered + 1
end

local last = 1000000
local function next_frame()
  if random(10) == 0 then return "again " .. last end
  last = last + 7 + random(50)
  return "data " .. last
end

for round = 1, 50 do
  for _ = 1, 6800 do deliver(decode(next_frame())) end
  checkpoint()
end
print(delivered + duplicates)
