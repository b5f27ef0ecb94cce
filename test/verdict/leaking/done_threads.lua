-- Cooperative scheduler: finished coroutines are moved to a list for statistics, with everything that they had.
local checkpoint = checkpoint or function() end
local ready, finished = {}, {}
local function spawn(fn, ...)
  local task = { co = coroutine.create(fn), args = { ... }, steps = 0 } --@leak
  ready[#ready + 1] = task
end
local function run()
  while #ready > 0 do
    local waiting = {}
    for _, task in ipairs(ready) do
      task.steps = task.steps + 1
      local ok, more = coroutine.resume(task.co, unpack and unpack(task.args) or table.unpack(task.args))
      if ok and coroutine.status(task.co) ~= "dead" then
        waiting[#waiting + 1] = task
      else
        finished[#finished + 1] = task --@also
      end
    end
    ready = waiting
  end
end
local function download(url, size)
  local got = 0
  while got < size do
    got = got + 100
    coroutine.yield(url .. ":" .. got)
  end
end
for minute = 1, 40 do
  for i = 1, 40 do spawn(download, "http://host/" .. minute .. "/" .. i, 100 * (i % 7 + 1)) end
  run()
  checkpoint()
end
print(#finished)
