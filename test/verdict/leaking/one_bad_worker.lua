-- Eight workers are coroutines; one of them remembers every message it has handled.
local checkpoint = checkpoint or function() end
local function worker(number)
  local mine = {}
  return coroutine.wrap(function(message)
    while true do
      local parsed = { id = message.id, words = {} } --@leak
      for word in message.text:gmatch("%w+") do parsed.words[#parsed.words + 1] = word end --@also
      if number == 3 then mine[#mine + 1] = parsed end --@also
      message = coroutine.yield(#parsed.words)
    end
  end)
end
local workers = {}
for i = 1, 8 do workers[i] = worker(i) end
local count = 0
for n = 1, 24000 do
  count = count + workers[n % 8 + 1]({ id = n, text = "take the order " .. n % 100 .. " to the table" })
  if n % 600 == 0 then checkpoint() end
end
print(count)
