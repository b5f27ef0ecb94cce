-- Text widget: measured lines are memoised for ever, and the text has a clock in it.
local checkpoint = checkpoint or function() end

local WIDTHS = { i = 3, l = 3, m = 9, w = 9, [" "] = 4 }
local memo = {}

local seed = 99
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function measure(text)
  local width = 0
  for i = 1, #text do width = width + (WIDTHS[text:sub(i, i)] or 6) end
  return width
end

local function break_lines(text, width)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    local longer = line == "" and word or line .. " " .. word --@also
    if measure(longer) > width then
      lines[#lines + 1] = line
      line = word
    else
      line = longer
    end
  end
  lines[#lines + 1] = line
  return lines
end

local function layout(text, width)
  local key = text .. "|" .. width --@also
  local known = memo[key]
  if known then return known end
  local lines = break_lines(text, width)
  local result = { lines = #lines, width = width, height = #lines * 14, first = lines[1] } --@leak
  memo[key] = result --@also
  return result
end

local TITLES = { "inventory of the guild bank", "quests still open in this zone", "damage done by the raid" }
local seconds, drawn = 0, 0

local function draw()
  seconds = seconds + 1
  local clock = string.format("%02d:%02d:%02d", math.floor(seconds / 3600), math.floor(seconds / 60) % 60, seconds % 60)
  local title = TITLES[random(#TITLES)]
  drawn = drawn + layout(title, 120).height + layout("now " .. clock .. " " .. title, 100).height
end

for round = 1, 36 do
  for _ = 1, 750 do draw() end
  checkpoint()
end
print("drawn", drawn > 1000)
