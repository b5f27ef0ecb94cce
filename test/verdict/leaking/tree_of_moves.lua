-- Game of stones with a search tree that is kept from move to move, dead branches included.
local checkpoint = checkpoint or function() end
local function node(parent, stones)
  return { parent = parent, stones = stones, children = {}, visits = 0 } --@leak
end
local root = node(nil, 21)
local at = root
local function expand(from)
  for take = 1, 3 do
    local child = node(from, (from.stones - take) % 22) 
    from.children[take] = child --@also
  end
end
local moves = 0
for round = 1, 6000 do
  if #at.children == 0 then expand(at) end
  at = at.children[round % 3 + 1]
  at.visits = at.visits + 1
  moves = moves + #tostring(at.stones)
  if round % 150 == 0 then checkpoint() end
end
print(moves)
