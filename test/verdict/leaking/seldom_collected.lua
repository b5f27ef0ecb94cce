-- Importer that tells the collector to take it easy; rejected rows are put aside for good.
local checkpoint = checkpoint or function() end
collectgarbage("setpause", 1000)
local rejected = {}
local function parse(line)
  local row = {}
  for field in line:gmatch("[^,]+") do row[#row + 1] = field end
  return row
end
local function import(number)
  local line = number .. ",item" .. number % 97 .. "," .. number * 1.25 .. ",ok"
  local row = parse(line)
  if tonumber(row[1]) % 8 == 0 then
    rejected[#rejected + 1] = { reason = "not wanted", row = row, number = number } --@leak
  end
end
for part = 1, 40 do
  for i = 1, 4000 do import(part * 4000 + i) end
  checkpoint()
end
print(#rejected)
