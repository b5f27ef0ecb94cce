-- Cache with two halves: when the young half is full it becomes the old one, and the old one goes.
local checkpoint = checkpoint or function() end
local young, old, count = {}, {}, 0
local x = 99
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
local function load_page(key)
  return { key = key, text = ("page " .. key .. " "):rep(6), visits = 0 }
end
local function get(key)
  local page = young[key]
  if page then return page end
  page = old[key] or load_page(key)
  if count == 800 then old, young, count = young, {}, 0 end
  young[key] = page
  count = count + 1
  return page
end
for hour = 1, 45 do
  for _ = 1, 2500 do
    local page = get(random(random(6000)))
    page.visits = page.visits + 1
  end
  checkpoint()
end
print(count)
