-- Translation tool: three language packs are loaded one after the other, at a quarter, a third and a half of the run.
local checkpoint = checkpoint or function() end

local packs = {}
local seed = 55
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local SOUNDS = { "a", "e", "i", "o", "u", "sch", "r", "t", "n", "l" }
local function invent(length)
  local sounds = {}
  for i = 1, length do sounds[i] = SOUNDS[random(#SOUNDS)] end
  return table.concat(sounds)
end

local function load_pack(language)
  local pack = {}
  for number = 1, 3000 do
    pack["message" .. number] = { text = invent(4 + random(8)), plural = invent(5), language = language }
  end
  packs[language] = pack
end

local function translate(language, text)
  local pack = packs[language]
  if not pack then return text end
  return (text:gsub("message%d+", function(key) return pack[key].text end))
end

local function page()
  local lines = {}
  for i = 1, 20 do lines[i] = "<p>message" .. random(3000) .. ", message" .. random(3000) .. "</p>" end
  return table.concat(lines, "\n")
end

local languages = { "de" }
load_pack("de")
local length = 0
for hour = 1, 48 do
  if hour == 12 then load_pack("fr") languages[2] = "fr" end
  if hour == 17 then load_pack("it") languages[3] = "it" end
  if hour == 25 then load_pack("cs") languages[4] = "cs" end
  for i = 1, 110 do
    length = length + #translate(languages[i % #languages + 1], page())
  end
  checkpoint()
end
print("length", length > 0)
