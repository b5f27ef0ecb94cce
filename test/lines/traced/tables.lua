for i = 1, N do
  local t = { i }
  local u = {}
  kept[i] = t
  t[1] = u
  kept[i+N] = { x = i, y = { i, i } ,
    z = {} }
end
