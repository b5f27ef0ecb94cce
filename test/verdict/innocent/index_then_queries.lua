-- Search: the index is built during the first third of the run, afterwards only queries come.
local checkpoint = checkpoint or function() end

local index, documents = {}, 0
local WORDS = {}
for i = 1, 700 do WORDS[i] = "term" .. i * 37 % 1000 end

local seed = 314
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function add_document()
  documents = documents + 1
  local positions = {}
  for i = 1, 25 do
    local word = WORDS[math.min(random(#WORDS), random(#WORDS))]
    positions[word] = positions[word] or {}
    table.insert(positions[word], i)
  end
  for word, list in pairs(positions) do
    local postings = index[word]
    if not postings then
      postings = {}
      index[word] = postings
    end
    postings[#postings + 1] = { document = documents, positions = list }
  end
end

local function query(a, b)
  local in_a, both = {}, {}
  for _, posting in ipairs(index[a] or {}) do in_a[posting.document] = #posting.positions end
  for _, posting in ipairs(index[b] or {}) do
    local count = in_a[posting.document]
    if count then both[#both + 1] = { document = posting.document, score = count + #posting.positions } end
  end
  table.sort(both, function(x, y)
    if x.score ~= y.score then return x.score > y.score end
    return x.document < y.document
  end)
  return both
end

local found = 0
for tick = 1, 45 do
  if tick <= 15 then
    for _ = 1, 80 do add_document() end
  else
    for _ = 1, 330 do found = found + #query(WORDS[random(#WORDS)], WORDS[random(#WORDS)]) end
  end
  checkpoint()
end
print(documents, found)
