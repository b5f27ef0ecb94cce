local function up(w) return "<" .. w .. ">" end
for i = 1, N / 5 do
  local s = "alpha beta " .. i
  kept[i] = s:gsub("%w+", up)
  kept[i + N] = { i,
    s:match("%d+") }
  local t = { i, "a" }
  for k in next, t do list[k] = k end
  kept[i + 2 * N] = { os.date("!%H", i), t }
  other[i] = s:rep(2, "+") .. s:sub(2, 4)
  other[i + N] = select("#", s:byte(1, 3)) .. "/" .. i
end
