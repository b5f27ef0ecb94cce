-- Pool of buffers: it grows to the largest number that was ever in use at the same time.
local checkpoint = checkpoint or function() end
local free, made = {}, 0
local function take()
  local buffer = table.remove(free)
  if not buffer then
    buffer = {}
    for i = 1, 32 do buffer[i] = 0 end
    made = made + 1
  end
  return buffer
end
local function give(buffer) free[#free + 1] = buffer end
local x = 5
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
for round = 1, 2400 do
  local used = {}
  for i = 1, random(60) do used[i] = take() end
  for i, buffer in ipairs(used) do
    buffer[1] = i .. "/" .. round
    give(buffer)
  end
  if round % 60 == 0 then checkpoint() end
end
print(made)
