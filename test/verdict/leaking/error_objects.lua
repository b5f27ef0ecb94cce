-- Job runner: errors are objects with a trace, and the runner's list of "recent" errors is never cut.
local checkpoint = checkpoint or function() end

local recent_errors = {}
local seed = 500
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local JobError = {}
JobError.__index = JobError
JobError.__tostring = function(e) return e.job .. ": " .. e.reason end

local function fail(job, reason)
  error(setmetatable({ job = job.name, reason = reason, trace = debug.traceback("", 2), input = job.input }, JobError)) --@leak
end

local function parse(job)
  local fields = {}
  for key, value in job.input:gmatch("(%w+)=(%w+)") do fields[key] = value end
  if not fields.amount then fail(job, "no amount") end
  if not tonumber(fields.amount) then fail(job, "not a number: " .. fields.amount) end
  return fields
end

local function charge(job)
  local fields = parse(job)
  return tonumber(fields.amount) * 2
end

local INPUTS = { "user=ann amount=12", "user=bob amount=7 note=gift", "user=eve amount=1 tax=2", "user=joe price=12", "user=sue amount=abc" }

local charged, failed = 0, 0
local function run(number)
  local job = { name = "job" .. number, input = INPUTS[random(40)] or INPUTS[1] } --@also
  local ok, result = pcall(charge, job)
  if ok then
    charged = charged + result
  else
    failed = failed + 1
    recent_errors[#recent_errors + 1] = result --@also
  end
end

local number = 0
for round = 1, 40 do
  for _ = 1, 2600 do
    number = number + 1
    run(number)
  end
  checkpoint()
end
print(charged, failed, tostring(recent_errors[1]))
