-- Timer heap: cancelling only marks a timer; the marked ones are skipped when they come up, but most lie years ahead.
local checkpoint = checkpoint or function() end
local heap = {}
local function push(item)
  heap[#heap + 1] = item --@also
  local i = #heap
  while i > 1 do
    local parent = math.floor(i / 2)
    if heap[parent].at <= heap[i].at then break end
    heap[parent], heap[i] = heap[i], heap[parent]
    i = parent
  end
end
local function pop()
  local top, last = heap[1], table.remove(heap)
  if #heap == 0 then return top end
  heap[1] = last
  local i = 1
  while true do
    local child = i * 2
    if child > #heap then break end
    if child < #heap and heap[child + 1].at < heap[child].at then child = child + 1 end
    if heap[i].at <= heap[child].at then break end
    heap[i], heap[child] = heap[child], heap[i]
    i = child
  end
  return top
end
local function timer(at, fn)
  local item = { at = at, fn = fn } --@leak
  push(item)
  return item
end
local fired, now = 0, 0
for tick = 1, 6000 do
  now = tick
  timer(now + tick % 5, function() fired = fired + 1 end)
  local guard = timer(now + 1000000, function() error("timeout") end) --@leak
  guard.cancelled = true
  while heap[1] and heap[1].at <= now do
    local item = pop()
    if not item.cancelled then item.fn() end
  end
  if tick % 150 == 0 then checkpoint() end
end
print(fired, #heap)
