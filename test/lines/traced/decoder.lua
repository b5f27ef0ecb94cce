local function decode(s, pos)
  local c = s:sub(pos, pos)
  if c == "[" then
    local array = {}
    pos = pos + 1
    while s:sub(pos, pos) ~= "]" do
      array[#array + 1], pos = decode(s, pos)
      if s:sub(pos, pos) == "," then pos = pos + 1 end
    end
    return array, pos + 1
  end
  local e = s:find("[,%]]", pos)
  return { text = s:sub(pos, e - 1) }, e
end
for i = 1, N / 20 do
  kept[i] = decode("[one" .. i .. ",[two,[three" .. i .. "],four],five]", 1)
end
