-- Table constructors of every kind.
local n, flag = 7, true
local function three() return 1, 2, 3 end
local function none() end
local function pass(...) return ... end

local a = {}
local b = { 1, 2, 3 }
local c = { x = 1, y = 2 }
local d = { 1, 2, x = 3, [4] = 5 }
local e = {
  1,
  2,
  x = {
    y = { z = {} },
    w = { 1, { 2, { 3 } } },
  },
  {
    {
    },
  },
  3
}
local f = { three() }
local g = { x = 1, three() }
local h = { 1, 2, three() }
local i = { 1, x = 2, y = 3, three() }
local j = { none() }
local k = { (three()) }
local l = { three(), three() }
local m = {
  three(),
  x = three(),
  { three() },
  three()
}
local long = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50,
  51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75,
  three()
}
-- both arms of a branch
local t
for round = 1, 6 do
  if round % 2 == 0 then
    t = {}
  else
    t = { round }
  end
  if round > 3 then t = { { 1 }, round } else t = { x = round } end
  local u = round > 2 and { round } or {}
  local v = round > 2 and { round }
      or { x = round, y = 2 }
  local w = flag and
      {} or
      { 1 }
  local x = not flag and {}
      or { { round } }
  local y = (round == 1 and {}) or (round == 2 and { 1 }) or
      { 1, 2 }
  while true do
    t = { t }
    if round then break end
  end
  repeat
    local z = {}
    local done = { z }
  until done
  t = { }; t = { 1 }; t = { 1, 2 }
end
for index = 1, 3 do t = {} end t = { 1 }
for index = 1, 3 do
  t = { index }
end t = { 1, 2 }
for key, value in pairs({ 1, 2, x = 3 }) do
  t = { [key] = value }
  t = { [value] = {
    key } }
end
do
  local p, q, r = {}, { 1 },
    { 2 }
  p, q = { p, q }, {
    r }
end
pass({}, { 1 },
  { 2 },
  pass({ 3 }, {
    4 }))
local keys = { [{}] = {}, [{ 1 }] = {
}, [three()] = three() }
t = {}
t[1] = {}
t.x = { 1 }
t[#t + 1] = { 2 }
t.y, t.z = {},
  {}
local grown = {}
for index = 1, 100 do
  grown[index] = index
  grown["k" .. index] = { index }
end
grown = #grown < 5
  and {}
  or { 1 }
return { t }, {
}
