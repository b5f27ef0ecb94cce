-- Proxy with a lazy collector (pause 400): statistics per client address, and there are ever new addresses.
local checkpoint = checkpoint or function() end

collectgarbage("setpause", 400)

local clients, known = {}, 0
local seed = 192168
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end

local function address()
  if random(3) > 0 then return "10.0.0." .. random(200) end
  return random(256) .. "." .. random(256) .. "." .. random(256) .. "." .. random(256) --@leak
end

local function client_of(ip)
  local client = clients[ip]
  if not client then
    client = { ip = ip, requests = 0, bytes = 0, status = {} } --@leak
    clients[ip] = client --@also
    known = known + 1
  end
  return client
end

local function count(ip, status, bytes)
  local client = client_of(ip)
  client.requests = client.requests + 1
  client.bytes = client.bytes + bytes
  client.status[status] = (client.status[status] or 0) + 1 --@also
end

local function forward()
  local headers = {}
  for i = 1, 5 do headers[i] = "X-Header-" .. i .. ": " .. random(1000) end
  return table.concat(headers, "\r\n")
end

local bytes = 0
for minute = 1, 30 do
  for _ = 1, 1600 do
    local answer = forward()
    bytes = bytes + #answer
    count(address(), random(10) == 0 and 404 or 200, #answer)
  end
  checkpoint()
end
print(known, bytes)
