-- Deep recursion that allocates at every level, in the main program, in a
-- coroutine, and through pcall.
local kept = {}

local function down(n)
  if n == 0 then return 0 end
  local box = { n, tostring(n) .. "!" }
  kept[#kept + 1] = box
  return down(n - 1) + #box
end

print(down(2000))
print(coroutine.wrap(function() return down(2000) end)())

local function protected(n)
  if n == 0 then return { 1 } end
  local ok, result = pcall(protected, n - 1)
  return ok and { result } or false
end
print(type(protected(100)))

local function even(n) if n == 0 then return true end local t = { n } return (not even(n - 1)) and t ~= nil end
print(even(2000), even(1501))
print(#kept)
