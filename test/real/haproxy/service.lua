-- What HAProxy runs for haproxy.t: a small item service, and a task that looks after it.
--
--   /item/N     describes item N; the answer depends on N alone, so every run answers alike
--   cache       the descriptions, at most CACHE_SIZE of them        bounded
--   visits      one record per request, and nobody takes it out     THE LEAK
--   samples     what the periodic task notes, a ring of RING_SIZE   bounded

local CACHE_SIZE = 32
local RING_SIZE = 16
local TASK_PERIOD_MS = 20

local cache, cached, added = {}, {}, 0
local visits = {}
local samples, sampled = {}, 0

local function describe(number)
  local parts = {}
  for i = 1, 8 do
    parts[i] = { name = "part-" .. i, weight = number * i % 97 }
  end
  return { number = number, title = "item " .. number, parts = parts }
end

local function remember(number, item)
  local place = added % CACHE_SIZE + 1
  if cached[place] then cache[cached[place]] = nil end
  cached[place], cache[number] = number, item
  added = added + 1
end

local function find(number)
  local item = cache[number]
  if not item then
    item = describe(number)
    remember(number, item)
  end
  return item
end

local function new_visit(path, agent)
  return { path = path, agent = agent, note = "seen: " .. path }
end

local function note_visit(applet)
  local agent = applet.headers["user-agent"]
  visits[#visits + 1] = new_visit(applet.path .. "?" .. applet.qs, agent and agent[0])
end

-- (One header alone: HAProxy sends several in the order of pairs, which differs from run to run.)
local function answer(applet, status, body)
  applet:set_status(status)
  applet:add_header("content-length", tostring(#body))
  applet:start_response()
  applet:send(body)
end

local function render(item)
  local lines = { item.title }
  for _, part in ipairs(item.parts) do
    lines[#lines + 1] = string.format("%s weighs %d", part.name, part.weight)
  end
  return table.concat(lines, "\n") .. "\n"
end

core.register_service("items", "http", function(applet)
  note_visit(applet)
  local number = tonumber(applet.path:match("^/item/(%d+)$"))
  if number then
    answer(applet, 200, render(find(number)))
  else
    answer(applet, 404, "no such item\n")
  end
end)

local function take_sample()
  sampled = sampled + 1
  samples[sampled % RING_SIZE + 1] = { at = sampled, visits = #visits }
end

core.register_task(function()
  while true do
    core.msleep(TASK_PERIOD_MS)
    take_sample()
  end
end)
