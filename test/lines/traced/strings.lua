for i = 1, N do
  local a = "x" .. i
  local b = "y" .. i .. "z"
  local c = string.format("%d-%d", i, i)
  kept[i] = a
  kept[i+N] = b
  kept[3] = ("k"):rep(i % 50) .. c
  kept[4] =
    c .. a
  kept[5] = b .. i
  kept[6] = a:sub(1, 3) .. tostring(i + 0.5)
  kept[7] = a:upper()
  kept[8] = table.concat({ a, b,
    c }, ",")
end
