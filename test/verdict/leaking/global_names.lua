-- Generated scripts define their results as globals with numbers in their names. --@leak
local checkpoint = checkpoint or function() end
local compile = loadstring or load
local function run_script(number)
  local text = "result_" .. number .. " = { total = " .. number * 3 .. ", label = 'script " .. number .. "' }" --@also
  local chunk = assert(compile(text, "=global_names.lua")) --@leak
  chunk()
end
local sum = 0
for hour = 1, 40 do
  for i = 1, 60 do
    local number = hour * 1000 + i
    run_script(number)
    sum = sum + _G["result_" .. number].total --@also
  end
  checkpoint()
end
print(sum)
