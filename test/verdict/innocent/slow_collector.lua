-- Batch job with a lazy collector: much garbage, and it is collected only when ten times as much has come together.
local checkpoint = checkpoint or function() end

collectgarbage("setpause", 1000)

local seed = 27
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function read_row(number)
  return number .. ";" .. random(100) .. ";" .. random(100) .. ";name" .. random(50)
end

local function split(row)
  local fields = {}
  for field in row:gmatch("[^;]+") do fields[#fields + 1] = field end
  return fields
end

local totals = {}
local function add(fields)
  local name = fields[4]
  local sum = totals[name] or { a = 0, b = 0 }
  sum.a = sum.a + tonumber(fields[2])
  sum.b = sum.b + tonumber(fields[3])
  totals[name] = sum
end

for file = 1, 40 do
  for row = 1, 2500 do add(split(read_row(row))) end
  checkpoint()
end

local a, b = 0, 0
for i = 1, 50 do
  local sum = totals["name" .. i]
  a, b = a + sum.a, b + sum.b
end
print(a, b)
