-- Route planner: a large graph is loaded, and each query makes a lot of garbage.
local checkpoint = checkpoint or function() end
local nodes = {}
for i = 1, 30000 do nodes[i] = { id = i, name = "crossing " .. i, edges = { i % 30000 + 1, (i * 7) % 30000 + 1 } } end
local function query(from, depth)
  local seen, front = {}, { from }
  for _ = 1, depth do
    local next_front = {}
    for _, id in ipairs(front) do
      if not seen[id] then
        seen[id] = true
        for _, edge in ipairs(nodes[id].edges) do next_front[#next_front + 1] = edge end
      end
    end
    front = next_front
  end
  return #front
end
local sum = 0
for round = 1, 30 do
  for i = 1, 40 do sum = sum + query(round * 100 + i, 9) end
  checkpoint()
end
print(sum)
