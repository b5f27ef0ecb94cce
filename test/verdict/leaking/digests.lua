-- Backup: block digests are joined into one text per file; the texts of all runs are kept for a comparison with the
-- run before. Collects after each run.
local checkpoint = checkpoint or function() end

local runs = {}
local seed = 1009
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end

local function digest(block)
  local a, b = 1, 0
  for i = 1, #block, 3 do
    a = (a + block:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return string.format("%04x%04x", b, a)
end

local function read_block(file, number)
  return (file.name .. number .. file.changed):rep(60)
end

local function digest_file(file)
  local list = {}
  for number = 1, file.blocks do list[number] = digest(read_block(file, number)) end
  return table.concat(list, " ") --@leak
end

local files = {}
for i = 1, 60 do files[i] = { name = "file" .. i, blocks = 4 + random(12), changed = 0 } end

local function backup(run)
  local result, same = {}, 0 --@also
  local before = runs[run - 1]
  for i, file in ipairs(files) do
    if random(2) == 0 then file.changed = run end
    result[i] = digest_file(file) --@also
    if before and before[i] == result[i] then same = same + 1 end
  end
  runs[run] = result --@also
  return same
end

local same = 0
for run = 1, 44 do
  same = same + backup(run)
  collectgarbage()
  checkpoint()
end
print("same", same)
