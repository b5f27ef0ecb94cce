-- Job server: what pcall returns for failed jobs is kept with a stack trace, for a page that nobody opens.
local checkpoint = checkpoint or function() end
local failures = {}
local function trace(message)
  return debug.traceback(message, 2) --@leak
end
local function job(n)
  local work = {}
  for i = 1, 30 do work[i] = (n * i) % 17 end
  if work[5] == 3 then error("job " .. n .. ": bad value") end
  return #work
end
local done = 0
for hour = 1, 50 do
  for i = 1, 160 do
    local ok, result = xpcall(function() return job(hour * 160 + i) end, trace)
    if ok then done = done + result else failures[#failures + 1] = result end --@also
  end
  checkpoint()
end
print(done, #failures)
