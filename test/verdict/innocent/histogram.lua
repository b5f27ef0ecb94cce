-- Latency histogram: counts in fixed buckets.
local checkpoint = checkpoint or function() end
local buckets = {}
for i = 1, 100 do buckets[i] = 0 end
local function sample(i)
  local parts = { i % 7, i % 11, i % 13 }
  return (parts[1] * parts[2] + parts[3]) % 100 + 1
end
for round = 1, 40 do
  for i = 1, 20000 do
    local s = sample(i * round)
    buckets[s] = buckets[s] + 1
  end
  checkpoint()
end
print(buckets[1])
