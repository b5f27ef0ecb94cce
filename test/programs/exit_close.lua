-- Ends in the middle of things and closes the state, where os.exit can.
kept = {}
setmetatable(kept, { __gc = function() local t = {} for i = 1, 100 do t[i] = { i } end io.write("finalizer ", #t, "\n") end })
local function deep(n)
  kept[#kept + 1] = { n }
  if n == 0 then
    io.write("leaving\n")
    os.exit(3, true)
  end
  deep(n - 1)
end
deep(50)
print("not reached")
