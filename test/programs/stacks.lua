-- Value stacks that grow and shrink: of the main program and of coroutines,
-- while they run and while they sleep.
local unpack = table.unpack or unpack
local big = {}
for i = 1, 3000 do big[i] = i end
local function wide(...) local t = { ... } return #t end
local function deep(n, ...) if n == 0 then return wide(...) end local r = deep(n - 1, ...) return r end

print(wide(unpack(big)))
print(deep(50, unpack(big, 1, 100)))
collectgarbage()
collectgarbage()
local sleepers = {}
for i = 1, 100 do
  sleepers[i] = coroutine.wrap(function()
    while true do
      deep(i % 20, unpack(big, 1, 50))
      coroutine.yield({ i })
      collectgarbage("step")
    end
  end)
end
for _ = 1, 3 do
  for i = 1, 100 do sleepers[i]() end
  collectgarbage()
end
print(coroutine.wrap(function() return deep(150, 1, 2, 3) end)())
local function recurse(n) if n == 0 then collectgarbage() return {} end return { recurse(n - 1) } end
for _ = 1, 5 do recurse(600) collectgarbage() end
print(type(recurse(10)))
