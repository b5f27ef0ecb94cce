local function f(i)
  if i % 2 == 0 then return { i } end
  if i % 7 == 0 then
    return { i, i }
  end
  return { i, i, i, x = {
    1, i } }
end
local function g(i)
  local s
  if i % 3 == 0 then s = "a" .. i
  else s = "b" .. i end
  return s
end
for i = 1, N do
  kept[i] = f(i)
  list[i] = g(i)
  local t = {}
  for j = 1, i % 5 do
    t[j] = { j }
    if j == 3 then
      t.x = { j }
    end
  end
  other[i] = t
end
