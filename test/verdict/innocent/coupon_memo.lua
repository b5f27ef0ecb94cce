-- Memo over a key space of two thousand, asked for at random: it is full before half of the run is over.
local checkpoint = checkpoint or function() end
local memo = {}
local x = 4711
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
local function describe(n)
  local known = memo[n]
  if known then return known end
  local factors, rest = {}, n
  for d = 2, n do
    while rest % d == 0 do
      factors[#factors + 1] = d
      rest = rest / d
    end
    if rest == 1 then break end
  end
  memo[n] = { factors = factors, text = n .. " = " .. table.concat(factors, " * ") }
  return memo[n]
end
local length = 0
for round = 1, 40 do
  for _ = 1, 2500 do
    length = length + #(describe(random(2000)).text .. " asked " .. random(50))
  end
  checkpoint()
end
print(length)
