-- Report generator: each row source is a wrapped coroutine; those that are not read to the end stay in `open`.
local checkpoint = checkpoint or function() end

local open = {}
local produced = 0

local function source(name, rows)
  return coroutine.wrap(function() --@leak
    for row = 1, rows do
      produced = produced + 1
      coroutine.yield(name .. "#" .. row) --@also
    end
  end) --@leak
end

local function open_source(name, rows)
  local read = source(name, rows)
  open[name] = read --@also
  return read
end

local function close_source(name)
  open[name] = nil
end

local function preview(name, rows, limit)
  local read = open_source(name, rows)
  local text = {}
  for i = 1, limit do
    local row = read() --@also
    if not row then
      close_source(name)
      break
    end
    text[#text + 1] = row
  end
  return table.concat(text, "\n")
end

local characters = 0
for batch = 1, 48 do
  for i = 1, 350 do
    local rows = (batch * 31 + i * 17) % 40
    characters = characters + #preview("table" .. batch .. "_" .. i, rows, 20) --@also
  end
  checkpoint()
end
print(produced, characters > 0)
