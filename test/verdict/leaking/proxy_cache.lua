-- Remote objects: proxies are cached in a table with weak keys, but each proxy refers to its target, which is the key.
-- Ephemeron tables (5.2 and later) collect that; elsewhere it stays.
if _VERSION ~= "Lua 5.1" then
  io.stderr:write("this VM has ephemeron tables\n")
  os.exit(77)
end
local checkpoint = checkpoint or function() end
local proxies = setmetatable({}, { __mode = "k" })
local Proxy = {}
function Proxy.__index(proxy, name)
  return function(...) return proxy.target[name](...) end
end

local function proxy_for(target)
  local proxy = proxies[target]
  if not proxy then
    proxy = { target = target, calls = 0 } --@leak
    proxies[target] = proxy --@also
  end
  return proxy
end

local function connect(number)
  return { --@leak
    name = "service" .. number, --@leak
    ping = function() return number end, --@leak
  }
end

local sum = 0
for round = 1, 48 do
  for i = 1, 300 do
    local service = connect(round * 300 + i)
    local proxy = proxy_for(service)
    for _ = 1, 10 do
      proxy.calls = proxy.calls + 1
      sum = sum + #tostring({}) + service.ping()
    end
  end
  checkpoint()
end
print(sum > 0)
