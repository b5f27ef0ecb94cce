-- Path finding on a small map: distances are memoised by their two ends, of which there are few.
local checkpoint = checkpoint or function() end

local SIZE = 26
local memo, computed = {}, 0
local seed = 11

local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function memoize(compute)
  return function(a, b)
    local key = a .. "-" .. b
    local value = memo[key]
    if not value then
      value = compute(a, b)
      memo[key] = value
      computed = computed + 1
    end
    return value
  end
end

local function search(from, to)
  local steps = {}
  local x, goal = from, to
  while x ~= goal do
    x = x < goal and x + 1 or x - 1
    steps[#steps + 1] = x
  end
  return { from = from, to = to, length = #steps, steps = steps }
end

local path = memoize(search)

local function walk(unit)
  local goal = random(SIZE)
  local way = path(unit.at, goal)
  unit.at = goal
  unit.walked = unit.walked + way.length
  return way
end

local units = {}
for i = 1, 40 do units[i] = { at = random(SIZE), walked = 0 } end

for round = 1, 60 do
  for _ = 1, 170 do
    for _, unit in ipairs(units) do walk(unit) end
  end
  checkpoint()
end

local total = 0
for _, unit in ipairs(units) do total = total + unit.walked end
print(computed, total)
