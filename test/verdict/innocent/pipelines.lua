-- Pipelines of coroutines over lines of text; each is read to its end.
local checkpoint = checkpoint or function() end
local function lines(n)
  return coroutine.wrap(function()
    for i = 1, n do coroutine.yield("line " .. i .. " of the text") end
  end)
end
local function words(source)
  return coroutine.wrap(function()
    for line in source do
      for word in line:gmatch("%w+") do coroutine.yield(word) end
    end
  end)
end
local function upper(source)
  return coroutine.wrap(function()
    for word in source do coroutine.yield(word:upper()) end
  end)
end
local count = 0
for round = 1, 40 do
  for i = 1, 25 do
    for word in upper(words(lines(8 + i % 4))) do count = count + #word end
  end
  checkpoint()
end
print(count)
