-- Calculator: each expression is parsed into a tree, evaluated and forgotten. A small and short program.
local checkpoint = checkpoint or function() end
local function parse(text)
  local at = 1
  local expression
  local function primary()
    if text:sub(at, at) == "(" then
      at = at + 1
      local inner = expression()
      at = at + 1
      return inner
    end
    local number = text:match("^%d+", at)
    at = at + #number
    return { kind = "number", value = tonumber(number) }
  end
  function expression()
    local left = primary()
    while text:find("^[%+%*]", at) do
      local op = text:sub(at, at)
      at = at + 1
      left = { kind = op, left = left, right = primary() }
    end
    return left
  end
  return expression()
end
local function evaluate(node)
  if node.kind == "number" then return node.value end
  local a, b = evaluate(node.left), evaluate(node.right)
  return node.kind == "+" and a + b or a * b
end
local sum = 0
for i = 1, 240 do
  sum = sum + evaluate(parse("(" .. i .. "+2)*3+" .. i .. "*(4+" .. i % 5 .. ")"))
  if i % 8 == 0 then checkpoint() end
end
print(sum)
