-- Logger with rotation: five files of at most 900 lines each are kept in memory, the oldest is dropped.
local checkpoint = checkpoint or function() end

local Log = { current = {}, old = {}, rotations = 0 }

function Log:rotate()
  table.insert(self.old, 1, self.current)
  self.old[6] = nil
  self.current = {}
  self.rotations = self.rotations + 1
end

function Log:write(level, format, ...)
  if #self.current >= 900 then self:rotate() end
  self.current[#self.current + 1] = ("[%s] "):format(level) .. format:format(...)
end

function Log:search(pattern)
  local found = 0
  for _, line in ipairs(self.current) do
    if line:find(pattern, 1, true) then found = found + 1 end
  end
  return found
end

local seed = 1914
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local handlers = {
  function() Log:write("info", "user %d signed in from port %d", random(500), 1024 + random(60000)) end,
  function() Log:write("info", "page /%d/%d served in %d ms", random(20), random(50), random(300)) end,
  function() Log:write("warning", "slow query %d took %d ms", random(100), 1000 + random(4000)) end,
}

local found = 0
for hour = 1, 40 do
  for i = 1, 5300 do
    handlers[random(3)]()
    if i % 200 == 0 then found = found + Log:search("warning") end
  end
  checkpoint()
end
print(Log.rotations, found)
