-- Files of a virtual file system: each handle has a finalizer that gives its buffer back.
local checkpoint = checkpoint or function() end

local free_buffers, made, finalized = {}, 0, 0

local function take_buffer()
  local buffer = table.remove(free_buffers)
  if not buffer then
    made = made + 1
    buffer = { number = made, blocks = {} }
  end
  return buffer
end

local function give_back(buffer)
  finalized = finalized + 1
  if #free_buffers < 40 then free_buffers[#free_buffers + 1] = buffer end
end

-- Tables have finalizers only since 5.2; before, a proxy userdata in the table stands in.
local function with_finalizer(object, action)
  if newproxy then
    local proxy = newproxy(true)
    getmetatable(proxy).__gc = action
    object.proxy = proxy
    return object
  end
  return setmetatable(object, { __gc = action })
end

local function open(name)
  local buffer = take_buffer()
  local file = { name = name, buffer = buffer, position = 0 }
  return with_finalizer(file, function() give_back(buffer) end)
end

local function write(file, text)
  file.position = file.position + #text
  file.buffer.blocks[file.position % 8 + 1] = text
end

local bytes = 0
for session = 1, 36 do
  for i = 1, 1500 do
    local file = open("file" .. i)
    for line = 1, 6 do write(file, "line " .. line .. " of " .. file.name) end
    bytes = bytes + file.position
  end
  checkpoint()
end
print(bytes, made > 0, finalized > 0)
