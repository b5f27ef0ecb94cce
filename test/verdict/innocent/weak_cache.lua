-- Font renderer: glyphs are cached in a table with weak values; what no label shows any more goes with a collection.
local checkpoint = checkpoint or function() end

local glyphs = setmetatable({}, { __mode = "v" })
local rendered = 0

local seed = 88
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function render(code)
  rendered = rendered + 1
  local rows = {}
  for y = 1, 10 do rows[y] = (code * 7 + y * 13) % 256 end
  return { code = code, rows = rows, width = 6 + code % 4 }
end

local function glyph(code)
  local found = glyphs[code]
  if not found then
    found = render(code)
    glyphs[code] = found
  end
  return found
end

local function label(length)
  local shown, width = {}, 0
  for i = 1, length do
    shown[i] = glyph(random(3000))
    width = width + shown[i].width
  end
  return { glyphs = shown, width = width }
end

local screen, width = {}, 0
for frame = 1, 35 do
  for i = 1, 500 do
    screen[i % 12 + 1] = label(4 + random(16))
    width = width + screen[i % 12 + 1].width
  end
  checkpoint()
end
print("width", width, rendered > 0)
