local A = {}
A.__index = A
function A.new(i)
  local self = setmetatable({}, A)
  self.items = {}
  self.name = "n" .. i
  self.a = i
  self.b = 2
  return self
end
function A:add(x)
  self.items[#self.items + 1] = { x }
end
for i = 1, N do
  local o = A.new(i)
  o:add(i)
  o:add("s" .. i)
  kept[i] = o
end
