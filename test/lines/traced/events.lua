local Queue = {}
Queue.__index = Queue
function Queue.new() return setmetatable({ first = 1, last = 0, items = {} }, Queue) end
function Queue:push(v)
  self.last = self.last + 1
  self.items[self.last] = v
end
function Queue:pop()
  if self.first > self.last then return nil end
  local v = self.items[self.first]
  self.items[self.first] = nil
  self.first = self.first + 1
  return v
end
local events = {}
local function emit(name, data)
  for _, h in ipairs(events[name] or {}) do h(data) end
end
local function on(name, h)
  events[name] = events[name] or {}
  table.insert(events[name], h)
end
on("tick", function(d) kept[d.n] = { d.n, "tick" } end)
on("tick", function(d) kept[d.n + N] = "t" .. d.n end)
on("done", function(d) kept[d[1] + 2 * N] = { done = d } end)
local q = Queue.new()
for i = 1, N do
  q:push({ n = i })
  if i % 2 == 0 then
    local item = q:pop()
    emit("tick", item)
  end
  if i % 10 == 0 then
    emit("done", { i })
  end
end
