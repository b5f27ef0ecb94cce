-- Web server: the access log is kept as formatted lines, to be written "later".
local checkpoint = checkpoint or function() end

local log = {}
local clock, seed = 0, 5

local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local METHODS = { "GET", "POST", "PUT" }

local function parse_request(text)
  local request = { headers = {} }
  request.method, request.path = text:match("^(%u+) (%S+)")
  for name, value in text:gmatch("\n([%w-]+): ([^\n]*)") do request.headers[name:lower()] = value end
  return request
end

local function write_log(request, status, bytes)
  clock = clock + 1
  local line = string.format("%d %s %s %d %d %s", clock, request.method, request.path, status, bytes, request.headers.host) --@leak
  log[#log + 1] = line --@also
end

local function respond(request)
  local size = 0
  local parts = {}
  for i = 1, 8 do
    parts[i] = "<li>" .. request.path .. "/" .. i .. "</li>"
    size = size + #parts[i]
  end
  return table.concat(parts), size
end

local sent = 0
for round = 1, 28 do
  for _ = 1, 1200 do
    local text = METHODS[random(3)] .. " /page/" .. random(400) .. " HTTP/1.1\nHost: example.org\nAccept: text/html\nX-Trace: " .. random(1e6)
    local request = parse_request(text)
    local body, size = respond(request)
    write_log(request, 200, size)
    sent = sent + #body
  end
  checkpoint()
end
print("sent", sent > 0)
