-- Exporter: rows are gathered and written out whenever there are enough; how many are enough depends on the day.
local checkpoint = checkpoint or function() end
local batch, written, limit = {}, 0, 500
local x = 31
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
local function flush()
  local lines = {}
  for i, row in ipairs(batch) do lines[i] = row.id .. ";" .. row.name .. ";" .. row.value end
  written = written + #table.concat(lines, "\n")
  batch = {}
  limit = 300 + random(900)
end
local function add(id)
  batch[#batch + 1] = { id = id, name = "row " .. random(1000), value = id / 7 }
  if #batch >= limit then flush() end
end
for day = 1, 50 do
  for i = 1, 1100 do add(day * 1100 + i) end
  checkpoint()
end
print(written)
