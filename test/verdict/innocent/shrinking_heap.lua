-- Clean-up tool: a catalogue is loaded, and entries that turn out to be duplicates or old are deleted bit by bit.
local checkpoint = checkpoint or function() end

local catalogue, left = {}, 0
local seed = 1600
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function load_catalogue(count)
  for i = 1, count do
    catalogue[i] = { number = i, title = "title " .. random(4000), year = 1900 + random(120), tags = { "tag" .. random(30) } }
    left = left + 1
  end
end

local function fingerprint(entry)
  local sum = entry.year
  for i = 1, #entry.title do sum = (sum * 31 + entry.title:byte(i)) % 1000003 end
  return entry.title .. "/" .. sum
end

local function sweep(first, last, oldest)
  local seen, removed = {}, 0
  for i = first, last do
    local entry = catalogue[i]
    if entry then
      local print_of_entry = fingerprint(entry)
      if seen[print_of_entry] or entry.year < oldest then
        catalogue[i] = false
        removed = removed + 1
      end
      seen[print_of_entry] = true
    end
  end
  left = left - removed
  return removed
end

load_catalogue(9000)
local removed = 0
for pass = 1, 40 do
  for block = 0, 8 do
    removed = removed + sweep(block * 1000 + 1, block * 1000 + 1000, 1900 + pass * 2)
  end
  checkpoint()
end
print(left, removed)
