-- Closures, variable arguments, tail calls, methods, main chunk, deep recursion.
kept = {}
local a, b = 1, 2
local f = function() return a end
local g = function() return a, b end
local function h(x)
  return function() return x end
end
local i = { h(1), h(2), function() end, function() return h end }
local function nested(x)
  local y = x
  local inner = function()
    y = y + 1
    return function()
      return x + y
    end
  end
  return inner,
    inner(), function()
      return y
    end
end
local j, k, l = nested(5)
j()
for index = 1, 5 do
  local other = index
  kept[index] = function() return index, other end
  local again = function() return other end
  if index > 2 then f = function() return index end else
    f = function() return again end
  end
  local _ = index > 3 and function() return index end
    or function() return f end
end
while a < 4 do
  local step = a
  kept[#kept + 1] = function() a = a + step end
  kept[#kept]()
end
-- variable arguments
local function pack_all(...)
  return { ... }
end
local function count(...)
  local n = select("#", ...)
  local t = {
    n, ...
  }
  return t, ...
end
local function mixed(x, ...)
  local t, u = { x = x, ... },
    { x, ..., x }
  return { x, x = t, y = u, ... }
end
pack_all()
pack_all(1, 2, 3)
pack_all(pack_all(1), pack_all(), 3, 4, 5, 6, 7, 8, 9)
count(1, 2, count(3))
mixed(1)
mixed(1, 2, 3, 4, 5, 6, 7, 8)
local function many(n, ...)
  if n == 0 then return { ... } end
  return many(n - 1, n, ...)
end
many(20) --stack
-- tail calls
local function last(x)
  local t = { x }
  return t
end
local function tail(x)
  local t = {}
  return last({ x, t })
end
local function through(x)
  return tail(x)
end
local kept_tail = { through(1), through(2) }
through(
  {}
)
-- methods
local Account = {}
Account.__index = Account
function Account.new(balance)
  return setmetatable({ balance = balance, log = {} }, Account)
end
function Account:deposit(amount)
  self.balance = self.balance + amount
  self.log[#self.log + 1] = { amount = amount }
  return self
end
Account.withdraw = function(self, amount)
  self.log[#self.log + 1] = { -amount }; return self
end
local account = Account.new(100)
account:deposit(1):deposit(2)
  :deposit(3)
  :withdraw(4)
for index = 1, 20 do account:deposit(index):withdraw(index) end
-- deep recursion
local function leaf(n)
  return { n }
end
local function down(n) --stack
  if n == 0 then return leaf(n) end --stack
  local t = { n } --stack
  local result = down(n - 1) --stack
  return result, t
end
down(40)
down(3000) --stack
local main_chunk = { ... }
