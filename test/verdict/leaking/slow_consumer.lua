-- Work queue: three jobs come in for every two that are done.
local checkpoint = checkpoint or function() end

local Queue = {}
Queue.__index = Queue

function Queue.new()
  return setmetatable({ first = 1, last = 0, items = {} }, Queue)
end

function Queue:push(item)
  self.last = self.last + 1
  self.items[self.last] = item --@also
end

function Queue:pop()
  if self.first > self.last then return nil end
  local item = self.items[self.first]
  self.items[self.first] = nil
  self.first = self.first + 1
  return item
end

local seed = 12
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local queue, sum, serial = Queue.new(), 0, 0

local function produce()
  serial = serial + 1
  local job = { id = serial, kind = "resize", width = random(800), height = random(600) } --@leak
  queue:push(job)
end

local function consume()
  local job = queue:pop()
  if not job then return end
  local rows = {}
  for y = 1, 10 do rows[y] = { y, job.width * y, job.height - y } end
  for _, row in ipairs(rows) do sum = sum + row[2] % 7 end
end

for round = 1, 40 do
  for _ = 1, 750 do
    produce()
    produce()
    produce()
    consume()
    consume()
  end
  checkpoint()
end
print(queue.last - queue.first + 1, sum > 0)
