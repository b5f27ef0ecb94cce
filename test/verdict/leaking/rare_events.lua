-- Telescope: frames are analysed and dropped; one in a thousand has a candidate, which is kept with its neighbourhood.
local checkpoint = checkpoint or function() end
local candidates = {}
local x = 12345
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
local function cut(frame, at)
  local part = {} --@leak
  for i = -8, 8 do part[#part + 1] = frame[(at + i - 1) % #frame + 1] end --@leak
  return part
end
local function frame()
  local pixels = {}
  for i = 1, 24 do pixels[i] = random(255) end
  return pixels
end
for night = 1, 40 do
  for n = 1, 1500 do
    local pixels = frame()
    local brightest = cut(pixels, 12)
    if random(100) == 1 then candidates[#candidates + 1] = { at = n, pixels = brightest } end --@also
  end
  checkpoint()
end
print(#candidates)
