-- Regular expressions by hand: results are memoised, and the table is thrown away when it has 6000 entries.
local checkpoint = checkpoint or function() end

local memo, entries, clears = {}, 0, 0
local seed = 777
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function remember(key, value)
  if entries >= 6000 then
    memo, entries, clears = {}, 0, clears + 1
  end
  memo[key] = value
  entries = entries + 1
  return value
end

local function distance(a, b)
  local key = a .. "|" .. b
  if memo[key] then return memo[key].distance end
  local before = {}
  for j = 0, #b do before[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + cost)
    end
    before = row
  end
  return remember(key, { distance = before[#b], a = a, b = b }).distance
end

local function word()
  local letters = {}
  for i = 1, 3 + random(3) do letters[i] = string.char(96 + random(6)) end
  return table.concat(letters)
end

local total = 0
for round = 1, 50 do
  for _ = 1, 600 do total = total + distance(word(), word()) end
  checkpoint()
end
print(clears, total)
