-- Spelling checker: the word list is loaded at the start; then documents are checked, which makes only garbage.
local checkpoint = checkpoint or function() end

local seed = 1234
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local SYLLABLES = { "ka", "lo", "mi", "ren", "tu", "sa", "vor", "ne", "pi", "dra" }
local function word()
  local parts = {}
  for i = 1, 2 + random(3) do parts[i] = SYLLABLES[random(#SYLLABLES)] end
  return table.concat(parts)
end

local words = {}
local function load_words(count)
  for _ = 1, count do
    local text = word()
    words[text] = { text = text, length = #text, frequency = random(1000) }
  end
end

local function document()
  local text = {}
  for i = 1, 120 do text[i] = word() end
  return table.concat(text, " ")
end

local function check(text)
  local unknown = {}
  for w in text:gmatch("%a+") do
    if not words[w] then unknown[#unknown + 1] = w end
  end
  return unknown
end

load_words(2000)
checkpoint()
load_words(2000)
checkpoint()
load_words(2000)
checkpoint()

local wrong = 0
for _ = 1, 37 do
  for _ = 1, 42 do wrong = wrong + #check(document()) end
  checkpoint()
end
print("wrong", wrong)
