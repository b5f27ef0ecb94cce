-- Objects made by cloning: each clone is the prototype of the next, and the chain gets longer and longer.
local checkpoint = checkpoint or function() end
local root = { depth = 0 }
local function clone(from, changes)
  local meta = { __index = from } --@leak
  return setmetatable(changes, meta)
end
local current = root
local sum = 0
for step = 1, 4000 do
  current = clone(current, { depth = step, name = "state " .. step }) --@leak
  local copy = {}
  for i = 1, 20 do copy[i] = { current.depth, i } end
  sum = sum + #copy
  if step % 100 == 0 then checkpoint() end
end
print(sum, current.depth)
