-- Importer: rows are gathered into batches of different sizes, written and dropped; the run ends in a filling batch.
local checkpoint = checkpoint or function() end

local seed = 7331
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local writer = { rows = {}, limit = 14000, written = 0, transactions = 0 }

local LIMITS = { 18000, 8000, 16000, 11000, 19000, 6000 }

function writer:commit()
  local sum = 0
  for _, row in ipairs(self.rows) do sum = sum + row.amount end
  self.written = self.written + #self.rows
  self.transactions = self.transactions + 1
  self.rows = {}
  self.limit = LIMITS[self.transactions % #LIMITS + 1]
  return sum
end

function writer:add(row)
  self.rows[#self.rows + 1] = row
  if #self.rows >= self.limit then return self:commit() end
  return 0
end

local function parse(line)
  local name, amount, note = line:match("^(%w+);(%d+);(.*)$")
  return { name = name, amount = tonumber(amount), note = note, columns = { name, amount } }
end

local sum = 0
for tick = 1, 56 do
  for i = 1, 2060 do
    sum = sum + writer:add(parse("name" .. random(400) .. ";" .. random(90) .. ";note " .. tick .. "/" .. i))
  end
  checkpoint()
end
print(writer.written, writer.transactions, sum)
