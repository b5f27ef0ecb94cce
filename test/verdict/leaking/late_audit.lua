-- Document store: after the schema change (at about 60 % of the run) old versions are put aside and never purged.
local checkpoint = checkpoint or function() end

local store, archive = {}, {}
local archiving = false

local seed = 1848
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function text(words)
  local list = {}
  for i = 1, words do list[i] = "word" .. random(300) end
  return table.concat(list, " ") --@leak
end

local function put(key, body)
  local old = store[key]
  if archiving and old then
    archive[#archive + 1] = { key = key, version = old.version, body = old.body } --@leak
  end
  store[key] = { version = old and old.version + 1 or 1, body = body, words = 0 }
end

local function count_words(key)
  local document = store[key]
  local count = 0
  for _ in document.body:gmatch("%S+") do count = count + 1 end
  document.words = count
  return count
end

local function migrate()
  archiving = true
  for _, document in pairs(store) do document.words = nil end
end

local words = 0
for day = 1, 50 do
  if day == 30 then migrate() end
  for _ = 1, 550 do
    local key = "document" .. random(250)
    put(key, text(10 + random(15)))
    words = words + count_words(key)
  end
  checkpoint()
end
print(words, #archive)
