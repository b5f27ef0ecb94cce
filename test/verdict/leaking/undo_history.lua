-- Editor plugin: each change stores the whole paragraph for undo, and the history has no end.
local checkpoint = checkpoint or function() end

local buffer = { lines = {}, history = {} }
local seed = 2024
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

for i = 1, 300 do
  buffer.lines[i] = "line " .. i .. " of the document, with some words to begin with"
end

local function snapshot(first, last)
  return { first = first, text = table.concat(buffer.lines, "\n", first, last) } --@leak
end

local function remember(first, last)
  table.insert(buffer.history, snapshot(first, last)) --@also
end

local function change(number, pattern, replacement)
  local first = math.max(1, number - 2)
  remember(first, math.min(first + 4, #buffer.lines))
  buffer.lines[number] = buffer.lines[number]:gsub(pattern, replacement, 1)
end

local function statistics()
  local words, longest = 0, 0
  for _, line in ipairs(buffer.lines) do
    for word in line:gmatch("%a+") do
      words = words + 1
      longest = math.max(longest, #word)
    end
  end
  return words, longest
end

for minute = 1, 36 do
  for count = 1, 300 do
    local number = random(300)
    change(number, "%a+", "w" .. random(100) .. "x")
    if count % 20 == 0 then statistics() end
  end
  checkpoint()
end
local words = statistics()
print(words > 0, #buffer.history)
