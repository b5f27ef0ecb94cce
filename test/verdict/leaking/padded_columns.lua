-- Report writer: `pad` is used everywhere; only the column cache of the index keeps what it returns.
local checkpoint = checkpoint or function() end

local index = {}
local seed = 365
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function pad(text, width)
  return text .. string.rep(" ", width - #text) --@leak
end

local function header(titles)
  local cells = {}
  for i, title in ipairs(titles) do cells[i] = pad(title, 14) end
  return table.concat(cells, "|")
end

local function row(values)
  local cells = {}
  for i, value in ipairs(values) do
    cells[i] = pad(tostring(value), 14)
  end
  return table.concat(cells, "|")
end

local function add_to_index(number)
  local entry = pad("entry " .. number, 60) --@caller
  index[#index + 1] = entry --@also
end

local function footer(sum)
  return pad("sum", 14) .. pad(tostring(sum), 14)
end

local written, number = 0, 0
for report = 1, 40 do
  for _ = 1, 330 do
    local lines, sum = { header({ "number", "value", "share" }) }, 0
    for _ = 1, 4 do
      number = number + 1
      local value = random(900)
      sum = sum + value
      lines[#lines + 1] = row({ number, value, value % 100 })
      add_to_index(number)
    end
    lines[#lines + 1] = footer(sum)
    written = written + #table.concat(lines, "\n")
  end
  checkpoint()
end
print(written, #index)
