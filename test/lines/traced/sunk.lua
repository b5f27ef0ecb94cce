local function point(x, y)
  return { x = x, y = y }
end
for i = 1, N do
  local p = point(i, i)
  local q = { p.x + 1,
    p.y }
  if i % 50 == 0 then
    kept[i] = p
  end
  if i % 70 == 0 then
    kept[-i] = q
  end
  local s = "s" .. i
  if i % 90 == 0 then list[i] = s end
end
