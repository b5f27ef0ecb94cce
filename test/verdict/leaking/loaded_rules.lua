-- Rule engine: each rule with its numbers filled in is compiled, and the compiled chunk is kept under its text.
local checkpoint = checkpoint or function() end

local load = loadstring or load
local compiled = {}
local seed = 606060
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function compile(text)
  local rule = compiled[text]
  if not rule then
    rule = assert(load(text, "=rule")) --@leak
    compiled[text] = rule --@also
  end
  return rule
end

local function discount_rule(limit, percent)
  return "local order = ... if order.total > " .. limit .. " then return order.total * " .. percent .. " else return order.total end" --@also
end

local function make_order()
  local lines, total = {}, 0
  for i = 1, 8 do
    local line = { article = "a" .. random(300), price = random(90), amount = random(3) }
    lines[i] = line
    total = total + line.price * line.amount
  end
  return { lines = lines, total = total }
end

local function price(order)
  local rule = compile(discount_rule(100 + random(400), random(50)))
  return rule(order)
end

local sum = 0
for day = 1, 30 do
  for _ = 1, 550 do sum = sum + price(make_order()) end
  checkpoint()
end
print("sum", sum)
