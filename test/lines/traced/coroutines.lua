local function gen(n)
  for i = 1, n do
    local t = { i }
    coroutine.yield(t)
    kept[#kept + 1] = { t,
      "g" .. i }
  end
end
for j = 1, N / 200 do
  local co = coroutine.wrap(gen)
  for i = 1, 100 do
    local v = co(200)
    list[#list + 1] = { v }
  end
end
