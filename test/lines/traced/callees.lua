local function a() return { 1 } end
local function b() return { 1 } end
local c = function(i) return {
  i } end
function gl(i) return { i } end
local M = { x = function(i) return { i } end, y = function(i) return { i } end }
local cur = a
for i = 1, N do
  local p = a()
  local q = b()
  kept[i] = { p, q, c(i), gl(i) }
  list[i] = M.x(i)
  list[-i] = M.y(i)
  other[i] = cur()
  other[-i] = b()
  cur = cur == a and b or a
end
