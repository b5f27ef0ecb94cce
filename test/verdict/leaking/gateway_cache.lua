-- API gateway: answers are cached by their full path, query string included, and never thrown away.
local checkpoint = checkpoint or function() end

local cache = {}
local hits, misses = 0, 0

local state = 20240501
local function rnd(limit)
  state = (state * 48271) % 2147483647
  return state % limit
end

local function render(path)
  local rows = {}
  for i = 1, 12 do
    rows[i] = string.format('{"path":"%s","row":%d,"value":%d}', path, i, rnd(100000))
  end
  return "[" .. table.concat(rows, ",") .. "]" --@leak
end

local function parse_query(path)
  local query = {}
  for key, value in path:gmatch("([%w_]+)=([%w_]+)") do query[key] = value end
  return query
end

local function handle(path)
  local query = parse_query(path)
  if not query.page then return "400" end
  local body = cache[path]
  if body then
    hits = hits + 1
  else
    misses = misses + 1
    body = render(path)
    cache[path] = body --@also
  end
  return body
end

local served = 0
for tick = 1, 30 do
  for _ = 1, 700 do
    local page, sort = rnd(30000), rnd(4)
    local body = handle("/items?page=" .. page .. "&sort=" .. sort) --@also
    served = served + #body
  end
  checkpoint()
end
print(served > 0, hits + misses)
