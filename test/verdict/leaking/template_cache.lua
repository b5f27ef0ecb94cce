-- Template engine: the cache key is the filled-in text instead of the template, so every page is "new" and stays.
local checkpoint = checkpoint or function() end

local cache, order = {}, {}
local TEMPLATES = {
  "Dear $name, your order $order of $count pieces has left our house.",
  "Hello $name! You have $count new messages, the latest is number $order.",
  "$name bought $count pieces (order $order); this mail was made by a machine.",
}

local seed = 42
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function fill(template, values)
  return (template:gsub("%$(%w+)", values)) --@leak
end

local function escape(text)
  return (text:gsub("[&<>!]", function(c) return "&#" .. c:byte() .. ";" end)) --@leak
end

local function render(template, values)
  local text = fill(template, values)
  local page = cache[text]
  if not page then
    page = escape(text)
    cache[text] = page --@also
    order[#order + 1] = text --@also
  end
  return page
end

local bytes = 0
for batch = 1, 34 do
  for i = 1, 1500 do
    local template = TEMPLATES[random(#TEMPLATES)]
    local values = { name = "customer" .. random(5000), order = tostring(random(1000000)), count = tostring(random(9)) }
    bytes = bytes + #render(template, values)
  end
  checkpoint()
end
print(bytes, #order)
