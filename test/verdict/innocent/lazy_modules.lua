-- Application with many modules that are loaded when they are first used: most in the beginning, fewer and fewer later.
local checkpoint = checkpoint or function() end

local load = loadstring or load
local loaded, loads = {}, 0

local function source_of(number)
  local lines = { "local M = { data = {} }" }
  for i = 1, 12 do
    lines[#lines + 1] = ("function M.f%d(x) M.data[%d] = x + %d return x * %d end"):format(i, i, number, i)
  end
  lines[#lines + 1] = "return M"
  return table.concat(lines, "\n")
end

local function need(number)
  local module = loaded[number]
  if not module then
    loads = loads + 1
    module = assert(load(source_of(number), "=module" .. number))()
    loaded[number] = module
  end
  return module
end

local seed = 99991
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function page()
  local sum = 0
  for _ = 1, 6 do
    local module = need(random(120))
    sum = sum + module.f3(random(10)) + module.f7(random(10))
  end
  return { title = "page", sum = sum, parts = { "head", "body " .. sum, "foot" } }
end

local total = 0
for minute = 1, 50 do
  for _ = 1, minute < 8 and 15 or 3600 do total = total + page().sum end
  checkpoint()
end
print(loads, total)
