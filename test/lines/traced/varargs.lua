local function pack(...)
  return { ... }
end
local function two(a, b)
  return { a }, { b,
    a }
end
local function id(...) return ... end
for i = 1, N do
  kept[i] = pack(i, i + 1)
  local a, b = id(two(i, i))
  list[i] = a
  other[i] = { select(2, i, b, i) }
  other[-i] = id({ i },
    { i })
end
