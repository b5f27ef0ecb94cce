-- Pipeline of two coroutines with a queue of at most 500 frames between them: who is too fast has to wait.
local checkpoint = checkpoint or function() end

local CAPACITY = 500
local queue, first, last = {}, 1, 0

local function put(item)
  while last - first + 1 >= CAPACITY do coroutine.yield("full") end
  last = last + 1
  queue[last] = item
end

local function get()
  while first > last do coroutine.yield("empty") end
  local item = queue[first]
  queue[first] = nil
  first = first + 1
  return item
end

local seed = 1080
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local produced, consumed, light = 0, 0, 0

local reader = coroutine.create(function()
  while true do
    for _ = 1, 10 + random(20) do
      produced = produced + 1
      local frame = { number = produced, pixels = {} }
      for i = 1, 8 do frame.pixels[i] = random(255) end
      put(frame)
    end
    coroutine.yield("pause")
  end
end)

local encoder = coroutine.create(function()
  while true do
    for _ = 1, 9 + random(20) do
      local frame = get()
      consumed = consumed + 1
      for _, pixel in ipairs(frame.pixels) do light = light + pixel end
    end
    coroutine.yield("pause")
  end
end)

for tick = 1, 45 do
  for _ = 1, 220 do
    assert(coroutine.resume(reader))
    assert(coroutine.resume(encoder))
  end
  checkpoint()
end
print(produced, consumed, light)
