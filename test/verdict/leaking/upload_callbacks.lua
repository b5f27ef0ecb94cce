-- Upload service: a retry handler holds the whole body of the upload; handlers of finished uploads stay in the list.
local checkpoint = checkpoint or function() end

local retry_handlers = {}
local seed = 911
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function make_body(kilobytes)
  local line = string.char(96 + random(26)):rep(60) .. random(1000)
  return line:rep(kilobytes * 4) --@leak
end

local function send(body, from)
  local sum = 0
  for i = from, #body, 97 do sum = (sum + body:byte(i)) % 65536 end
  return sum, random(20) ~= 1
end

local function upload(name)
  local body = make_body(1 + random(3))
  local sum, ok = send(body, 1)
  retry_handlers[#retry_handlers + 1] = function() return name, send(body, 2) end --@also
  if not ok then
    local _, again = retry_handlers[#retry_handlers]()
    sum = sum + again
  end
  return sum
end

local function describe(count)
  local lines = {}
  for i = 1, count do lines[i] = "upload " .. i .. " of " .. count end
  return table.concat(lines, "\n")
end

local total, shown = 0, 0
for hour = 1, 40 do
  for number = 1, 200 do
    total = (total + upload("file" .. number)) % 1000003
    shown = shown + #describe(60)
  end
  checkpoint()
end
print(total, #retry_handlers, shown)
