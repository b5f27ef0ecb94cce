-- Metrics: one number per request, for percentiles that are computed from the newest thousand, but all are kept.
local checkpoint = checkpoint or function() end

local Histogram = {}
Histogram.__index = Histogram

local function new_histogram(name)
  return setmetatable({ name = name, samples = {}, count = 0 }, Histogram)
end

function Histogram:add(value)
  self.count = self.count + 1
  self.samples[self.count] = value --@leak
end

function Histogram:percentile(p)
  local recent = {}
  for i = math.max(1, self.count - 999), self.count do recent[#recent + 1] = self.samples[i] end
  table.sort(recent)
  return recent[math.max(1, math.floor(#recent * p))]
end

local seed = 17
local function latency()
  seed = (seed * 16807) % 2147483647
  return seed % 1000 + (seed % 97 == 0 and 5000 or 0)
end

local histograms = { new_histogram("login"), new_histogram("search"), new_histogram("basket") }
local alarms = 0

for minute = 1, 40 do
  for _ = 1, 11250 do
    local value = latency()
    histograms[value % 3 + 1]:add(value)
  end
  for check = 1, 15 do
    local histogram = histograms[check % 3 + 1]
    if histogram:percentile(0.99) > 5000 then alarms = alarms + 1 end
  end
  checkpoint()
end
print("alarms", alarms)
