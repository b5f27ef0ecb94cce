-- JSON: the same kind of document is written and read again and again.
local checkpoint = checkpoint or function() end

local parse_value

local function skip(text, at) return text:find("%S", at) end

local function parse_string(text, at)
  local last = text:find('"', at + 1, true)
  return text:sub(at + 1, last - 1), last + 1
end

local function parse_list(text, at)
  local list = {}
  at = skip(text, at + 1)
  while text:sub(at, at) ~= "]" do
    list[#list + 1], at = parse_value(text, at)
    at = skip(text, at)
    if text:sub(at, at) == "," then at = skip(text, at + 1) end
  end
  return list, at + 1
end

local function parse_object(text, at)
  local object, key = {}, nil
  at = skip(text, at + 1)
  while text:sub(at, at) ~= "}" do
    key, at = parse_string(text, at)
    at = skip(text, at) + 1
    object[key], at = parse_value(text, skip(text, at))
    at = skip(text, at)
    if text:sub(at, at) == "," then at = skip(text, at + 1) end
  end
  return object, at + 1
end

function parse_value(text, at)
  local c = text:sub(at, at)
  if c == "{" then return parse_object(text, at) end
  if c == "[" then return parse_list(text, at) end
  if c == '"' then return parse_string(text, at) end
  local first, last = text:find("^-?%d+", at)
  return tonumber(text:sub(first, last)), last + 1
end

local function write(value)
  if type(value) ~= "table" then return type(value) == "number" and tostring(value) or '"' .. value .. '"' end
  local parts = {}
  if #value > 0 then
    for i, item in ipairs(value) do parts[i] = write(item) end
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  for key, item in pairs(value) do parts[#parts + 1] = '"' .. key .. '": ' .. write(item) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function order(number)
  local lines = {}
  for i = 1, 8 do lines[i] = { article = "article" .. (number * i) % 50, amount = i, price = 100 + i * number % 7 } end
  return { number = number, customer = "customer" .. number % 90, lines = lines }
end

local amount = 0
for hour = 1, 30 do
  for i = 1, 140 do
    local document = parse_value(write(order(hour * 100 + i)), 1)
    for _, line in ipairs(document.lines) do amount = amount + line.amount * line.price end
  end
  checkpoint()
end
print("amount", amount)
