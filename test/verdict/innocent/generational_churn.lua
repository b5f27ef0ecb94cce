-- Interpreter of a toy language, with the generational collector where there is one: frames and values come and go.
local checkpoint = checkpoint or function() end

pcall(collectgarbage, "generational")

local function number(value) return { tag = "number", value = value } end
local function variable(name) return { tag = "variable", name = name } end
local function operation(operator, left, right) return { tag = "operation", operator = operator, left = left, right = right } end

local OPERATORS = {
  ["+"] = function(a, b) return a + b end,
  ["-"] = function(a, b) return a - b end,
  ["*"] = function(a, b) return a * b % 10007 end,
}

local function evaluate(tree, frame)
  if tree.tag == "number" then return { value = tree.value, from = tree } end
  if tree.tag == "variable" then return { value = frame.variables[tree.name], from = tree } end
  local left, right = evaluate(tree.left, frame), evaluate(tree.right, frame)
  return { value = OPERATORS[tree.operator](left.value, right.value), from = tree }
end

local function call(body, arguments, caller)
  local frame = { variables = {}, caller = caller, depth = caller and caller.depth + 1 or 0 }
  for name, value in pairs(arguments) do frame.variables[name] = value end
  return evaluate(body, frame).value
end

local body = operation("+", operation("*", variable("x"), number(7)), operation("-", variable("y"), operation("*", variable("x"), variable("y"))))

local results = {}
for round = 1, 36 do
  for i = 1, 3600 do
    results[i % 100 + 1] = call(body, { x = i, y = round })
  end
  checkpoint()
end

local sum = 0
for _, value in ipairs(results) do sum = sum + value end
print("sum", sum)
