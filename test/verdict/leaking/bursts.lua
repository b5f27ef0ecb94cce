-- Build server: every now and then a build fails, and all its messages are attached to a list that nobody clears.
local checkpoint = checkpoint or function() end

local failures = {}
local seed = 8080
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local FILES = { "main.c", "list.c", "hash.c", "net.c" }

local function compile(file, broken)
  local messages = {}
  local count = broken and 40 or 3
  for i = 1, count do
    messages[i] = { file = file, line = random(2000), text = "unused variable 'v" .. random(100000) .. "'" } --@leak
  end
  return messages
end

local function attach(build, messages)
  for _, message in ipairs(messages) do
    message.build = build
    failures[#failures + 1] = message --@also
  end
end

local function build(number, broken)
  local seen = 0
  for pass = 1, 6 do
    for _, file in ipairs(FILES) do
      local messages = compile(file, broken)
      seen = seen + #messages
      if broken then attach(number, messages) end
    end
  end
  return seen
end

local total = 0
for day = 1, 54 do
  for number = 1, 100 do
    -- A bad day, now and then: some of its builds break.
    local broken = day % 4 == 3 and number > 97
    total = total + build(day * 100 + number, broken)
  end
  checkpoint()
end
print(total, #failures)
