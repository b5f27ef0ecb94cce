-- Moving median over a window: a deque of samples that goes round, and a sorted copy for each answer.
local checkpoint = checkpoint or function() end
local first, last, samples = 1, 0, {}
local x = 33
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
local function add(value)
  last = last + 1
  samples[last] = { value = value, at = last }
  if last - first + 1 > 60 then
    samples[first] = nil
    first = first + 1
  end
end
local function median()
  local copy = {}
  for i = first, last do copy[#copy + 1] = samples[i].value end
  table.sort(copy)
  return copy[math.floor(#copy / 2) + 1]
end
local sum = 0
for n = 1, 9000 do
  add(random(1000))
  sum = sum + median()
  if n % 300 == 0 then checkpoint() end
end
print(sum)
