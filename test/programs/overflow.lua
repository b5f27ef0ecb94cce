-- Recursion without an end, which allocates at every level until the stack
-- overflows: 200,000 frames on 5.2 to 5.4.
local depth = 0
local function forever(t)
  depth = depth + 1
  return 1 + forever({ t })
end
print(pcall(forever, nil) == false, depth > 1000)
