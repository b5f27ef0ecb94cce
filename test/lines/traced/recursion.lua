local function tree(d)
  if d == 0 then
    return { false, false }
  end
  local l = tree(d - 1)
  local r = tree(d - 1)
  return { l, r }
end
local function list_(n)
  if n == 0 then return nil end
  return { n, next = list_(n - 1) }
end
local function tail(n, acc)
  if n == 0 then return acc end
  return tail(n - 1, { acc })
end
for i = 1, N / 100 do
  kept[i] = tree(6)
  list[i] = list_(50)
  other[i] = tail(60,
    {})
end
