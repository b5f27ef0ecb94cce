-- Log shipper: lines are gathered and sent in batches; the batch is dropped once it is sent.
local checkpoint = checkpoint or function() end

local Shipper = {}
Shipper.__index = Shipper

local function new_shipper(limit)
  return setmetatable({ limit = limit, batch = {}, sent = 0, bytes = 0 }, Shipper)
end

function Shipper:flush()
  local text = {}
  for _, entry in ipairs(self.batch) do
    text[#text + 1] = entry.level .. "\t" .. entry.message
  end
  self.bytes = self.bytes + #table.concat(text, "\n")
  self.sent = self.sent + 1
  self.batch = {}
end

function Shipper:add(level, message)
  self.batch[#self.batch + 1] = { level = level, message = message, retries = 0 }
  if #self.batch >= self.limit then self:flush() end
end

local seed = 41
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local LEVELS = { "info", "warning", "error" }
local shipper = new_shipper(20000)
for tick = 1, 48 do
  for i = 1, 3300 do
    shipper:add(LEVELS[random(3)], "request " .. tick * 10000 + i .. " took " .. random(900) .. " ms")
  end
  checkpoint()
end
print(shipper.sent, shipper.bytes)
