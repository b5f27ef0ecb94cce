-- Deep recursion that allocates at every level, in the main program, in a
-- coroutine, and through pcall.
local kept = {}

local function down(n)
  if n == 0 then return 0 end
  local box = { n, "box" }
  kept[#kept + 1] = box
  return down(n - 1) + #box
end

print(down(2000))
print(coroutine.wrap(function() return down(300) end)())

local function protected(n)
  if n == 0 then return { 1 } end
  local ok, result = pcall(protected, n - 1)
  return ok and { result } or false
end
print(type(protected(30)))

local function even(n) if n == 0 then return true end local t = { n } return (not even(n - 1)) and t ~= nil end
print(even(400), even(301))
print(#kept)
