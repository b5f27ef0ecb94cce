-- Scheduler with priorities: finished jobs are moved to `done` for a report that is made once a day, which never comes.
local checkpoint = checkpoint or function() end

local heap, done = {}, {}
local seed = 33
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function before(a, b) return a.priority < b.priority end

local function push(job)
  local i = #heap + 1
  heap[i] = job
  while i > 1 do
    local parent = math.floor(i / 2)
    if not before(heap[i], heap[parent]) then break end
    heap[i], heap[parent] = heap[parent], heap[i]
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
    if not heap[child] then break end
    if heap[child + 1] and before(heap[child + 1], heap[child]) then child = child + 1 end
    if not before(heap[child], heap[i]) then break end
    heap[i], heap[child] = heap[child], heap[i]
    i = child
  end
  return top
end

local function submit(number)
  push({ number = number, priority = random(1000), owner = "user" .. random(30), steps = {} }) --@leak
end

local function execute(job)
  local log = {}
  for i = 1, 1 + job.priority % 4 do
    log[i] = job.owner .. " step " .. i
    job.steps[i] = #log[i] --@leak
  end
  return #table.concat(log, ";")
end

local number, output = 0, 0
for _ = 1, 200 do number = number + 1; submit(number) end
for hour = 1, 36 do
  for _ = 1, 1400 do
    number = number + 1
    submit(number)
    local job = pop()
    output = output + execute(job)
    done[#done + 1] = job --@also
  end
  checkpoint()
end
print(#heap, #done, output)
