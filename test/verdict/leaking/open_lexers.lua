-- Lexer: it reads its source through a gmatch iterator; the editor keeps one for every fifth change and drops none.
local checkpoint = checkpoint or function() end

local lexers = {}
local seed = 1999
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local WORDS = { "local", "x", "=", "function", "(", ")", "return", "end", "y", "+" }

local function source(length)
  local words = {}
  for i = 1, length do words[i] = WORDS[random(#WORDS)] end
  return table.concat(words, " ") --@also
end

local function open_lexer(text)
  return text:gmatch("%S+") --@leak
end

local function lex(text, limit)
  local next_token = open_lexer(text)
  local kinds = { word = 0, sign = 0 }
  for _ = 1, limit do
    local token = next_token()
    if not token then break end
    local kind = token:match("^%a") and "word" or "sign"
    kinds[kind] = kinds[kind] + 1
  end
  return next_token, kinds
end

local words, signs = 0, 0
local text = source(30)
for round = 1, 36 do
  for change = 1, 2700 do
    if change % 40 == 0 then text = source(30) end
    local lexer, kinds = lex(text, 6 + random(6))
    words, signs = words + kinds.word, signs + kinds.sign
    if change % 5 == 0 then lexers[#lexers + 1] = lexer end --@also
  end
  checkpoint()
end
print(words, signs, #lexers)
