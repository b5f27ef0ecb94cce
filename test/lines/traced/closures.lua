local function mk(i)
  local t = { i }
  return function() return t end
end
for i = 1, N do
  kept[i] = mk(i)
  list[i] = { kept[i]() }
end
