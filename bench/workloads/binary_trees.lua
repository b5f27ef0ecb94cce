-- Binary trees: the hardest case for an exact memory profiler.
--
-- Mental model: nearly all of the time goes into making and dropping small tables of two entries, from a
-- handful of lines, at recursion depths that change at every call. One long-lived tree stays alive throughout, so
-- the collector always has something old to walk past.
--
-- Argument: the depth of the biggest trees (default 16).

local MAX_DEPTH = tonumber((...)) or 16
local MIN_DEPTH = 4

local function make(depth)
  if depth == 0 then
    return {}
  end
  return { make(depth - 1), make(depth - 1) }
end

local function count_nodes(tree)
  if not tree[1] then
    return 1
  end
  return 1 + count_nodes(tree[1]) + count_nodes(tree[2])
end

local function count_short_lived(depth)
  local rounds = 2 ^ (MAX_DEPTH - depth + MIN_DEPTH - 1)
  local nodes = 0
  for _ = 1, rounds do
    nodes = nodes + count_nodes(make(depth))
  end
  return nodes
end

local long_lived = make(MAX_DEPTH)
local short_lived_nodes = 0
for depth = MIN_DEPTH, MAX_DEPTH, 2 do
  short_lived_nodes = short_lived_nodes + count_short_lived(depth)
end
print(string.format("binary_trees %d: %d short-lived nodes, %d long-lived",
  MAX_DEPTH, short_lived_nodes, count_nodes(long_lived)))
