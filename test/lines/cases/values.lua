-- Strings, library calls, metamethods.
kept = {}
local s = ""
for i = 1, 50 do
  s = s .. i
  kept[i] = "prefix " .. i .. " suffix " .. s
  kept[i] = { "a" .. i,
    "b" .. i }
  local long = ("x"):rep(i * 10)
  local upper = long:upper()
  local piece = s:sub(1, i)
  local formatted = string.format("%d %s %q",
    i, "t" .. i,
    "u" .. i)
  local number = tostring(i + 0.5)
  local joined = table.concat({ i, "j" .. i,
    i }, ",")
end
local words = {}
for word in ("one two three four five"):gmatch("%a+") do
  words[#words + 1] = { word }
end
local replaced = ("a b c"):gsub("%a", function(c)
  local t = { c }
  return c .. c
end)
local swapped = ("x1 y2"):gsub("(%a)(%d)", "%2%1")
table.sort(words, function(a, b)
  local t = { a, b }
  return a[1] < b[1]
end)
table.insert(words, {})
table.insert(words, 1, { 1 })
for i = 1, 40 do table.insert(kept, i) end
for i = 1, 40 do kept[#kept + 1] = i end
for i = 1, 20 do kept["key" .. i] = i end
local unpacked = { (table.unpack or unpack)({ 1, 2, 3, 4, 5 }) }
local selected = { select(2, "a" .. s, "b" .. s,
  "c" .. s) }
local packed = table.pack and table.pack(1, 2, 3) or { 1, 2, 3 }
-- metamethods
local V = {}
V.__index = function(t, k)
  local made = { k }
  return made
end
V.__newindex = function(t, k, v)
  rawset(t, k, {
    v })
end
V.__add = function(a, b) return setmetatable({ a, b }, V) end
V.__concat = function(a, b) return { a, b } end
V.__eq = function(a, b)
  local t = {}
  return true
end
V.__lt = function(a, b) local t = { 1 } return false end
V.__le = function(a, b) local t = { 1, 2 } return false end
V.__call = function(self, ...)
  return { ... }
end
V.__unm = function(a) return {} end
V.__len = function(a) local t = {} return 3 end
V.__tostring = function(a)
  return "V" .. #kept
end
local function vector() return setmetatable({}, V) end
local v, w = vector(), vector()
local index = v.field
v.field = 1
local sum = v + w
sum = v + w +
  v
local cat = v .. w
cat = "x" .. v
cat = v .. 1 .. "y"
local equal = v == w
local less = v < w
less = v <= w
if v < w then less = {} else less = { 1 } end
local called = { v(1, 2), v(
  3, {}) }
local negated = -v
local length = #v
local text = tostring(v)
local proxy = setmetatable({}, { __index = v })
local through = proxy.other
for key in pairs({ x = 1 }) do local t = { key } end
for i, value in ipairs({ {}, {}, { 1 } }) do local t = { value } end
-- chunks
local load = loadstring or load
for i = 1, 5 do
  local chunk = load("local a = {}\nlocal b = { a, " .. i .. " }\nreturn function() return { a, b } end", "=loaded")
  local inner = chunk()
  inner()
end
local plain = load("return { 1, { 2 } }, {\n{} }")
plain()
local dumped = load(string.dump(function()
  local t = { {} }
  return { t }
end))
dumped()
load("x =")
local parts = { "return ", "{", "}" }
_G.load(function() return table.remove(parts, 1) end) --stack
