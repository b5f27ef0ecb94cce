-- Localisation: a cache with weak keys, but its keys are strings, and those are values: they never go.
local checkpoint = checkpoint or function() end

local translated = setmetatable({}, { __mode = "k" })
local DICTIONARY = { sword = "Schwert", shield = "Schild", boots = "Stiefel", of = "der", fire = "Glut", frost = "Reif" }
local NOUNS, ENDS = { "sword", "shield", "boots" }, { "fire", "frost" }

local seed = 31337
local function pick(list)
  seed = (seed * 16807) % 2147483647
  return list[seed % #list + 1]
end

local function translate_words(text)
  return (text:gsub("%a+", DICTIONARY)) --@leak
end

local function item_name(id)
  return pick(NOUNS) .. " of " .. pick(ENDS) .. " (" .. id .. ")" --@leak
end

local function translate(text)
  local result = translated[text]
  if result == nil then
    result = translate_words(text)
    translated[text] = result --@also
  end
  return result
end

local function tooltip(id)
  local name = translate(item_name(id))
  local lines = { name, ("-"):rep(#name), "Level " .. id % 60 }
  return table.concat(lines, "\n")
end

local shown, id = 0, 100000
for session = 1, 32 do
  for _ = 1, 2300 do
    id = id + 1
    shown = shown + #tooltip(id)
  end
  checkpoint()
end
print("shown", shown > 0)
