-- Closures: functions made at run time, with shared and private upvalues.
--
-- Mental model: a pipeline of lazy sequences, in which every stage is a closure over the stage before it, is built
-- anew for each of many small requests and then drained. Some of the closures made on the way are kept as
-- callbacks in a bounded list, together with the upvalues that they share.
--
-- Argument: the number of requests (default 400000).

local REQUEST_COUNT = tonumber((...)) or 400000
local CALLBACK_COUNT = 3000

local function range(first, last)
  local current = first - 1
  return function()
    if current < last then
      current = current + 1
      return current
    end
  end
end

local function map(source, transform)
  return function()
    local value = source()
    if value ~= nil then
      return transform(value)
    end
  end
end

local function filter(source, accept)
  return function()
    local value = source()
    while value ~= nil and not accept(value) do
      value = source()
    end
    return value
  end
end

local function fold(source, combine, start)
  local result = start
  for value in source do
    result = combine(result, value)
  end
  return result
end

local function add(amount)
  return function(value)
    return value + amount
  end
end

local function divisible_by(divisor)
  return function(value)
    return value % divisor == 0
  end
end

local function compose(outer, inner)
  return function(value)
    return outer(inner(value))
  end
end

-- Two closures over one variable: the variable outlives the call as a shared upvalue.
local function make_counter()
  local count = 0
  local function increment(amount)
    count = count + amount
  end
  local function read()
    return count
  end
  return increment, read
end

local function serve(request)
  local increment, read = make_counter()
  local numbers = filter(map(range(1, 8), compose(add(request), add(1))), divisible_by(2))
  increment(fold(numbers, function(sum, value)
    return (sum + value) % 1000003
  end, 0))
  return read
end

local callbacks = {}
local checksum = 0
for request = 1, REQUEST_COUNT do
  local read = serve(request)
  callbacks[(request - 1) % CALLBACK_COUNT + 1] = read
  checksum = (checksum + read()) % 1000003
end

local kept = 0
for _, read in ipairs(callbacks) do
  kept = (kept + read()) % 1000003
end
print(string.format("closures %d: checksum %d, callbacks hold %d", REQUEST_COUNT, checksum, kept))
