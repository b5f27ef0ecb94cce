-- The collector in every mode, stopped, restarted, stepped and tuned.
local function churn(n) local kept = {} for i = 1, n do kept[i % 50 + 1] = { i, { tostring(i) } } end return kept end
local function has(option, ...) return (pcall(collectgarbage, option, ...)) end

churn(20000)
print(collectgarbage("collect"))
collectgarbage("stop")
churn(5000)
collectgarbage("restart")
churn(5000)
local steps = 0
repeat steps = steps + 1 until collectgarbage("step", 10) or steps > 100000
print(steps > 0)
for _ = 1, 50 do collectgarbage("step", 0) churn(100) end
for _ = 1, 10 do collectgarbage("step", 100000) end

collectgarbage("setpause", 100)
collectgarbage("setstepmul", 400)
churn(20000)
collectgarbage("setpause", 1000)
churn(20000)
collectgarbage("setpause", 200)

for _ = 1, 4 do
  if has("generational") then churn(20000) collectgarbage("step", 0) churn(2000) collectgarbage() end
  if has("incremental") then churn(20000) collectgarbage("step", 0) churn(2000) collectgarbage() end
end
if has("generational") then
  local old = {}
  for i = 1, 20000 do old[i] = { i } end
  churn(20000)
  for i = 1, 20000 do old[i] = i % 3 == 0 and { i } or nil end
  churn(20000)
  has("incremental")
end

for _ = 1, 20 do collectgarbage() end
collectgarbage("stop")
collectgarbage()
churn(2000)
print(type(collectgarbage("count")))
