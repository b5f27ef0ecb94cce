-- Document viewer: the rendered image of every page looked at stays in memory, forty kilobytes each.
local checkpoint = checkpoint or function() end
local document = { pages = {}, images = {} }
local function render(number)
  local row = (string.char(number % 90 + 32) .. number):rep(80)
  local rows = {}
  for y = 1, 200 do rows[y] = row:sub(1, 190) .. string.format("%010d", y) end
  return table.concat(rows) --@leak
end
local function show(number)
  local image = document.images[number]
  if not image then
    image = render(number)
    document.images[number] = image --@also
  end
  return image:byte(10)
end
local sum = 0
for number = 1, 400 do
  sum = sum + show(number) + show(math.max(1, number - 1))
  if number % 10 == 0 then checkpoint() end
end
print(sum)
