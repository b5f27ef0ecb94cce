-- Search index: every new word gets a number, and the "words" include order numbers and time stamps.
local checkpoint = checkpoint or function() end

local numbers, count = {}, 0

local function number_of(word)
  local number = numbers[word]
  if not number then
    count = count + 1
    number = count
    numbers[word] = number --@also
  end
  return number
end

local function words_of(text)
  local list = {}
  for word in text:gmatch("[%w:]+") do list[#list + 1] = "w/" .. word:lower() end --@leak
  return list
end

local function index(text)
  local counts = {}
  for _, word in ipairs(words_of(text)) do
    local number = number_of(word)
    counts[number] = (counts[number] or 0) + 1
  end
  local distinct = 0
  for _ in pairs(counts) do distinct = distinct + 1 end
  return distinct
end

local COMMON = { "Order", "shipped", "to", "the", "customer", "with", "invoice", "and", "thanks" }
local seed = 86400
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local clock = 0
local function mail()
  clock = clock + random(50)
  local words = {}
  for i = 1, 14 do words[i] = COMMON[random(#COMMON)] end
  words[5] = "R" .. random(10000000)
  words[9] = math.floor(clock / 3600) .. ":" .. math.floor(clock / 60) % 60 .. ":" .. clock % 60
  return table.concat(words, " ")
end

local distinct = 0
for hour = 1, 32 do
  for _ = 1, 600 do distinct = distinct + index(mail()) end
  checkpoint()
end
print(count, distinct)
