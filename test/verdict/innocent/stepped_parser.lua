-- Batch parser that collects in steps: grammar tables are built once, syntax trees are dropped after each file.
local checkpoint = checkpoint or function() end

local grammar = {}
local seed = 1066
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function build_grammar()
  for state = 1, 400 do
    local row = {}
    for symbol = 1, 20 do row[symbol] = { action = random(2) == 1 and "shift" or "reduce", target = random(400) } end
    grammar[state] = row
  end
end

local function tokens(count)
  local list = {}
  for i = 1, count do list[i] = { symbol = random(20), line = i } end
  return list
end

local function parse(list)
  local stack, state = {}, 1
  for _, token in ipairs(list) do
    local step = grammar[state][token.symbol]
    if step.action == "reduce" and #stack > 2 then
      local right, left = table.remove(stack), table.remove(stack)
      stack[#stack + 1] = { kind = "pair", left = left, right = right, line = token.line }
    else
      stack[#stack + 1] = { kind = "leaf", token = token }
    end
    state = step.target
  end
  return stack
end

local function depth(tree)
  if tree.kind == "leaf" then return 1 end
  return 1 + math.max(depth(tree.left), depth(tree.right))
end

build_grammar()
local deepest = 0
for file = 1, 1280 do
  for _, tree in ipairs(parse(tokens(250))) do deepest = math.max(deepest, depth(tree)) end
  collectgarbage("step", 20)
  if file % 32 == 0 then checkpoint() end
end
print("deepest", deepest)
