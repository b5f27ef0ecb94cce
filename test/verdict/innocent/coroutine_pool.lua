-- Server with worker coroutines: twelve of them live for ever and take one job after the other.
local checkpoint = checkpoint or function() end

local results, done = 0, 0

local function worker_body()
  while true do
    local job = coroutine.yield()
    local parts = {}
    for i = 1, job.size do parts[i] = job.name .. ":" .. i end
    results = results + #table.concat(parts, ",")
    done = done + 1
  end
end

local idle = {}
local function new_worker()
  local thread = coroutine.create(worker_body)
  assert(coroutine.resume(thread))
  return thread
end

for i = 1, 12 do idle[i] = new_worker() end

local function assign(job)
  local worker = table.remove(idle, 1)
  assert(coroutine.resume(worker, job))
  idle[#idle + 1] = worker
end

-- Besides these, every request has a short coroutine of its own, which ends.
local function request(n)
  return coroutine.wrap(function(a)
    local b = coroutine.yield(a .. "!")
    return a .. b
  end), "request" .. n
end

for tick = 1, 30 do
  for n = 1, 1000 do
    assign({ name = "job" .. n % 17, size = n % 29 + 1 })
    local step, text = request(n)
    results = results + #step(text)
    results = results + #step("?")
  end
  checkpoint()
end
print(done, results)
