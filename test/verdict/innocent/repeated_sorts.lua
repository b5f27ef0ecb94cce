-- Ranking: the same records are sorted by another key each time, on fresh lists of keys.
local checkpoint = checkpoint or function() end
local records = {}
for i = 1, 1500 do records[i] = { id = i, name = "record " .. (i * 7919) % 1500, weight = (i * 104729) % 997 } end
local function ranking(key)
  local keys = {}
  for i, record in ipairs(records) do keys[i] = { key = record[key], id = record.id } end
  table.sort(keys, function(a, b)
    if a.key == b.key then return a.id < b.id end
    return a.key < b.key
  end)
  return keys
end
local sum = 0
for round = 1, 60 do
  sum = sum + ranking(({ "id", "name", "weight" })[round % 3 + 1])[1].id
  if round % 2 == 0 then checkpoint() end
end
print(sum)
