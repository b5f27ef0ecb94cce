-- Checker of configuration files: warnings of all files are collected, and nobody prints or clears them.
local checkpoint = checkpoint or function() end
local Checker = {}
Checker.__index = Checker
local warnings = {}

function Checker.new(name) return setmetatable({ name = name, line = 0, keys = {} }, Checker) end

function Checker:warn(text)
  warnings[#warnings + 1] = { file = self.name, line = self.line, text = text } --@leak
end

function Checker:check(text)
  for line in text:gmatch("[^\n]+") do
    self.line = self.line + 1
    local key, value = line:match("^(%w+)%s*=%s*(.+)$")
    if not key then
      self:warn("no key in " .. line) --@also
    elseif self.keys[key] then
      self:warn("again: " .. key) --@also
    else
      self.keys[key] = value
    end
  end
end

for file = 1, 150 do
  local lines = {}
  for i = 1, 12 do lines[i] = "key" .. (i + file % 3) .. " = " .. i * file end
  lines[13] = "key2 = again"
  lines[14] = "; comment " .. file
  Checker.new("file" .. file):check(table.concat(lines, "\n"))
  if file % 5 == 0 then checkpoint() end
end
print(#warnings)
