-- Image filter: two frames of pixels are used in turns, the rows of a frame are made anew each time.
local checkpoint = checkpoint or function() end
local W, H = 64, 48
local frame = {}
for y = 1, H do
  frame[y] = {}
  for x = 1, W do frame[y][x] = (x * y) % 256 end
end
local function blur(from)
  local to = {}
  for y = 1, H do
    local row = {}
    for x = 1, W do
      local left, right = from[y][x - 1] or 0, from[y][x + 1] or 0
      row[x] = (left + from[y][x] * 2 + right) / 4
    end
    to[y] = row
  end
  return to
end
for round = 1, 240 do
  frame = blur(frame)
  if round % 6 == 0 then checkpoint() end
end
print(frame[1][1] >= 0)
