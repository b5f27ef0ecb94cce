-- Trading bot: all records come from one constructor; only the audit keeps them.
local checkpoint = checkpoint or function() end

local seed = 10
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function new_record(kind, price, amount)
  return { kind = kind, price = price, amount = amount, total = price * amount, tags = {} } --@leak
end

local book, best = {}, 0
local audit = {}

local function on_quote()
  local quote = new_record("quote", random(1000), random(10))
  if quote.price > best then best = quote.price end
  return quote
end

local function on_order()
  local order = new_record("order", random(1000), random(10))
  book[order.price] = order
  return order
end

local function on_cancel()
  local cancel = new_record("cancel", random(1000), 0)
  book[cancel.price] = nil
end

local function on_trade()
  local trade = new_record("trade", random(1000), random(10)) --@caller
  audit[#audit + 1] = trade --@also
end

local function depth()
  local levels = 0
  for price = 1, 1000 do
    if book[price] then levels = levels + 1 end
  end
  return levels
end

for minute = 1, 40 do
  for _ = 1, 2500 do
    on_quote(); on_quote(); on_quote()
    on_order()
    on_cancel()
    if random(9) == 1 then on_trade() end
  end
  depth()
  checkpoint()
end
print(best, #audit)
