-- RPC client: a request waits under its number for the answer; those that time out on the other side get none.
local checkpoint = checkpoint or function() end

local Client = {}
Client.__index = Client

local function connect(transport)
  return setmetatable({ transport = transport, pending = {}, sequence = 0 }, Client)
end

local function encode(method, parameters)
  local parts = {}
  for i, value in ipairs(parameters) do parts[i] = tostring(value) end
  return method .. "(" .. table.concat(parts, ",") .. ")" --@leak
end

function Client:call(method, parameters, callback)
  self.sequence = self.sequence + 1
  local request = { method = method, wire = encode(method, parameters), callback = callback } --@leak
  self.pending[self.sequence] = request
  self.transport(self.sequence, request.wire)
end

function Client:answer(sequence, value)
  local request = self.pending[sequence]
  if request then
    self.pending[sequence] = nil
    request.callback(value)
  end
end

local seed = 777
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local network = {}
local function transport(sequence, wire)
  if random(13) > 1 then network[#network + 1] = { sequence = sequence, length = #wire } end
end

local client, received = connect(transport), 0

local function deliver_all()
  for i = #network, 1, -1 do
    local packet = network[i]
    network[i] = nil
    client:answer(packet.sequence, packet.length)
  end
end

local calls = 0
for tick = 1, 50 do
  for _ = 1, 130 do
    for _ = 1, 12 do
      calls = calls + 1
      client:call("store", { calls, random(1000), "key" .. random(50) }, function(value) received = received + value end) --@also
    end
    deliver_all()
  end
  checkpoint()
end
print(calls, received)
