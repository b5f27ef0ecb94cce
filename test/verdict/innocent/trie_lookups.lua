-- A trie of words is built, then texts are looked up in it.
local checkpoint = checkpoint or function() end
local root = {}
local function insert(word)
  local node = root
  for i = 1, #word do
    local c = word:sub(i, i)
    node[c] = node[c] or {}
    node = node[c]
  end
  node.word = true
end
local function contains(word)
  local node = root
  for i = 1, #word do
    node = node[word:sub(i, i)]
    if not node then return false end
  end
  return node.word == true
end
local x = 7
local function word()
  x = (x * 16807) % 2147483647
  local letters, n = {}, x % 5 + 3
  for i = 1, n do letters[i] = string.char(97 + math.floor(x / i) % 9) end
  return table.concat(letters)
end
for _ = 1, 6000 do insert(word()) end
local found = 0
for round = 1, 40 do
  for _ = 1, 3000 do if contains(word()) then found = found + 1 end end
  checkpoint()
end
print(found)
