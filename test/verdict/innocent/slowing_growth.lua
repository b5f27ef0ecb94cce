-- Learning spam filter: it knows the words of mails; each round brings only two thirds as many new ones as before.
local checkpoint = checkpoint or function() end

local known, size = {}, 0
local seed = 271
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function learn(word, is_spam)
  local entry = known[word]
  if not entry then
    entry = { word = word, spam = 0, ham = 0 }
    known[word] = entry
    size = size + 1
  end
  if is_spam then entry.spam = entry.spam + 1 else entry.ham = entry.ham + 1 end
end

local fresh = 0
local function compose(new_words)
  local words = {}
  for i = 1, 30 do words[i] = "word" .. random(400) end
  for _ = 1, new_words do
    fresh = fresh + 1
    words[random(30)] = "rare" .. fresh
  end
  return table.concat(words, " ")
end

local function score(text)
  local points = 0
  for word in text:gmatch("%w+") do
    local entry = known[word]
    if entry and entry.spam > entry.ham then points = points + 1 end
  end
  return points
end

local points, wave = 0, 3000
for round = 1, 48 do
  if round % 4 == 0 then wave = wave * 2 / 3 end
  local new_words = math.floor(wave / 4 / 100)
  for i = 1, 250 do
    local text = compose(new_words)
    points = points + score(text)
    for word in text:gmatch("%w+") do learn(word, i % 3 == 0) end
  end
  checkpoint()
end
print(size, points)
