-- Discrete simulation: a heap of events, each of which makes one or two others, with a fixed number of machines.
local checkpoint = checkpoint or function() end
local heap, size = {}, 0
local function push(at, machine)
  size = size + 1
  local i = size
  heap[i] = { at = at, machine = machine, note = "machine " .. machine }
  while i > 1 do
    local up = math.floor(i / 2)
    if heap[up].at <= heap[i].at then break end
    heap[up], heap[i] = heap[i], heap[up]
    i = up
  end
end
local function pop()
  local top = heap[1]
  heap[1] = heap[size]
  heap[size] = nil
  size = size - 1
  local i = 1
  while true do
    local c = 2 * i
    if c > size then break end
    if c < size and heap[c + 1].at < heap[c].at then c = c + 1 end
    if heap[i].at <= heap[c].at then break end
    heap[i], heap[c] = heap[c], heap[i]
    i = c
  end
  return top
end
local x = 17
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
for machine = 1, 150 do push(random(100), machine) end
local handled = 0
for n = 1, 60000 do
  local event = pop()
  handled = handled + 1
  push(event.at + random(200), event.machine)
  if n % 1500 == 0 then checkpoint() end
end
print(handled)
