-- Log analyser: messages become symbols, of which there is a limited number; the last new one comes at about a third.
local checkpoint = checkpoint or function() end
local symbols, count = {}, 0
local x = 606
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
local function symbol(text)
  local s = symbols[text]
  if not s then
    count = count + 1
    s = { number = count, text = text, uses = 0 }
    symbols[text] = s
  end
  s.uses = s.uses + 1
  return s
end
for hour = 1, 45 do
  for _ = 1, 2500 do
    local line = "module" .. random(40) .. ": event " .. random(60) .. " at " .. random(100000)
    local name, event = line:match("^(%w+): event (%d+)")
    symbol(name .. "/" .. event)
  end
  checkpoint()
end
print(count)
