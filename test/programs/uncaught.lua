-- Ends with an error that nobody catches.
kept = {}
local function deep(n)
  kept[#kept + 1] = { n }
  if n == 0 then error("nobody catches this") end
  deep(n - 1)
  return n
end
print("so far")
coroutine.wrap(function() deep(20) end)()
