-- Batch converter: at 80 % of the work verbose mode comes on, and from then on every step keeps a trace.
local checkpoint = checkpoint or function() end
local verbose, traces = false, {}
local function trace(name, value)
  if verbose then traces[#traces + 1] = { name = name, value = value, stamp = #traces } end --@leak
end
local function convert(record)
  local out = {}
  for key, value in pairs(record) do
    out[key:upper()] = value * 2
    trace(key, value)
  end
  return out
end
local total = 0
for batch = 1, 60 do
  if batch == 48 then verbose = true end
  for i = 1, 600 do
    local out = convert({ alpha = i, beta = i + 1, gamma = batch, delta = 4 })
    total = total + out.ALPHA
  end
  checkpoint()
end
print(total, #traces)
