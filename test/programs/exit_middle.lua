-- Ends in the middle of things, without closing the state.
kept = {}
local function deep(n)
  kept[#kept + 1] = { n }
  if n == 0 then
    io.write("leaving\n")
    os.exit(7)
  end
  pcall(deep, n - 1)
end
deep(50)
print("not reached")
