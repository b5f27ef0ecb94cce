-- Thesaurus: a cache with weak values, but its values are strings, and strings in a weak table are not weak.
local checkpoint = checkpoint or function() end

local cache = setmetatable({}, { __mode = "v" })
local PREFIX, STEM, ENDING = { "un", "re", "pre", "mis" }, { "lock", "write", "heat", "lead" }, { "ing", "ed", "er", "able" }

local seed = 5150
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function word()
  return PREFIX[random(4)] .. STEM[random(4)] .. ENDING[random(4)]
end

local function synonyms(query)
  local list = {}
  for i = 1, 4 do list[i] = word() end
  table.sort(list)
  return query .. ": " .. table.concat(list, ", ") --@leak
end

local function lookup(query)
  local answer = cache[query]
  if not answer then
    answer = synonyms(query)
    cache[query] = answer --@also
  end
  return answer
end

local asked, length = 0, 0
for page = 1, 44 do
  for _ = 1, 1800 do
    asked = asked + 1
    local query = random(4) == 1 and word() or word() .. " " .. asked --@also
    length = length + #lookup(query)
  end
  checkpoint()
end
print("asked", asked, length)
