-- Test harness: the output of every test is kept, ten kilobytes each.
local checkpoint = checkpoint or function() end
local outputs = {}
local function run_test(number)
  local lines = {}
  for i = 1, 120 do lines[i] = string.format("%05d step %04d: value is %08.3f and all is well, it seems to be so", number, i, i / 3) end
  local output = table.concat(lines, "\n") --@leak
  outputs[number] = output
  return output:find("fail") == nil
end
local good = 0
for number = 1, 600 do
  if run_test(number) then good = good + 1 end
  if number % 15 == 0 then checkpoint() end
end
print(good)
