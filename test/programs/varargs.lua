-- Variable arguments: few, many, packed, unpacked, dropped.
local unpack = table.unpack or unpack
local function pack(...) return { n = select("#", ...), ... } end
local function pass(...) return ... end
local function drop(a, ...) return a end
local total = 0
for i = 0, 200 do
  local t = {}
  for j = 1, i do t[j] = j end
  local p = pack(pass(unpack(t)))
  assert(p.n == i)
  total = total + p.n + (drop(unpack(t)) or 0)
end
print(total)

local function recurse(n, ...)
  if n == 0 then return select("#", ...) end
  return recurse(n - 1, n, ...)
end
print(recurse(150))
local function not_tail(n, ...)
  local t = { ... }
  if n == 0 then return #t end
  local count = not_tail(n - 1, n, ...)
  return count
end
print(not_tail(100))

local big = {}
for i = 1, 5000 do big[i] = i end
print(select("#", unpack(big)), #pack(unpack(big)), math.max(unpack(big)))
print(pcall(unpack, {}, 1, 1e8))
print(#string.char(unpack(pack(string.byte(("x"):rep(200), 1, -1)))))
for _ = 1, 500 do pack(nil, nil, nil, { nil, pass(nil, nil) }) end
