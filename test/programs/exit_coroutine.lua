-- Ends inside a coroutine inside a coroutine.
kept = {}
coroutine.wrap(function()
  coroutine.wrap(function()
    for i = 1, 100 do kept[i] = { i } end
    print("leaving")
    os.exit(9)
  end)()
end)()
print("not reached")
