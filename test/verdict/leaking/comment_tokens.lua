-- Parser of a small language: it is run again and again, and its module-level list of comments is never emptied.
local checkpoint = checkpoint or function() end

local Lexer = { comments = {} }

local function token(kind, text, line)
  return { kind = kind, text = text, line = line }
end

function Lexer.tokens(source)
  local list, line, at = {}, 1, 1
  while at <= #source do
    local first, last = source:find("^%s+", at)
    if first then
      for _ in source:sub(first, last):gmatch("\n") do line = line + 1 end
    else
      first, last = source:find("^%-%-[^\n]*", at)
      if first then
        Lexer.comments[#Lexer.comments + 1] = { text = source:sub(first + 2, last), line = line } --@leak
      else
        first, last = source:find("^%w+", at)
        local kind = first and "word" or "sign"
        if not first then first, last = at, at end
        list[#list + 1] = token(kind, source:sub(first, last), line)
      end
    end
    at = last + 1
  end
  return list
end

local function parse(tokens)
  local tree, current = {}, {}
  for _, t in ipairs(tokens) do
    if t.text == ";" then
      tree[#tree + 1] = current
      current = {}
    else
      current[#current + 1] = t
    end
  end
  return tree
end

local seed = 1337
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function source()
  local lines = {}
  for i = 1, 12 do
    lines[i] = "let v" .. random(9) .. " = " .. random(100) .. " + w" .. random(9) .. ";"
    if i % 6 == 0 then lines[i] = lines[i] .. " -- note " .. random(100000) end
  end
  return table.concat(lines, "\n")
end

local statements = 0
for build = 1, 32 do
  for _ = 1, 100 do statements = statements + #parse(Lexer.tokens(source())) end
  checkpoint()
end
print(statements, #Lexer.comments)
