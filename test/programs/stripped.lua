-- Functions dumped and loaded again, with and without debug information.
local load = loadstring or load
local function source(n)
  local t = {}
  for i = 1, n do
    t[i] = { i, tostring(i) }
  end
  local function inner() return { n } end
  t[#t + 1] = inner()
  return t, inner
end
kept = {}
for _, strip in ipairs { false, true } do
  local code = string.dump(source, strip)
  for i = 1, 100 do
    local copy = assert(load(code, "=copy"))
    local t, inner = copy(20)
    kept[#kept + 1] = t
    kept[#kept + 1] = { inner() }
  end
end
print(#kept, #kept[1])
local chunk = load(string.dump(assert(load("local a = {} a[1] = { ... } return a", "=whole")), true))
for i = 1, 200 do kept[#kept + 1] = chunk(i) end
print(#kept)
print((pcall(chunk, nil)))
