local words, count = {}, {}
for i = 1, N do
  local key = "w" .. (i * 7919) % 5000
  count[key] = (count[key] or 0) + 1
  local g = words[key]
  if not g then
    g = {}
    words[key] = g
  end
  g[#g + 1] = { i, key }
  g.last = i
  g.first =
    g.first or { i }
end
for i = 1, N do
  local t = {}
  t.alpha = i
  t.beta = i
  t.gamma =
    {}
  t[i] = 1
  t[key or "k"] = i
  kept[i] = t
end
