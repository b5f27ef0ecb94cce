for i = 1, N do
  if i % 3 == 0 then
    kept[i] = { a = i }
  elseif i % 3 == 1 then
    kept[i] = { 1 }
  else
    table.insert(list,
      { 1, 2 })
  end
  local q = i % 2 == 0 and { 5 } or
    { 6, 7 }
  kept[i + N] = q
  local z = i % 5 == 0 and {
    a = {} } or {}
  kept[i + 2 * N] = z
end
