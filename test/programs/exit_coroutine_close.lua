-- Ends inside a coroutine and closes the state, where os.exit can.
kept = {}
coroutine.wrap(function()
  for i = 1, 100 do kept[i] = { i } end
  print("leaving")
  os.exit(true, true)
end)()
print("not reached")
