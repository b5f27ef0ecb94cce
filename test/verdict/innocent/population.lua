-- Rabbits: each month some are born and each may die; the meadow feeds about four hundred.
local checkpoint = checkpoint or function() end
local x = 2718
local function random(n)
  x = (x * 16807) % 2147483647
  return x % n + 1
end
local rabbits, born = {}, 0
local function birth(mother)
  born = born + 1
  return { number = born, genes = { random(4), random(4), random(4) }, mother_number = mother and mother.number or 0 }
end
for _ = 1, 100 do rabbits[#rabbits + 1] = birth() end
for month = 1, 600 do
  local next_month = {}
  for _, rabbit in ipairs(rabbits) do
    if random(1000) > #rabbits / 4 then next_month[#next_month + 1] = rabbit end
    if random(10) == 1 then next_month[#next_month + 1] = birth(rabbit) end
  end
  rabbits = next_month
  if month % 15 == 0 then checkpoint() end
end
print(born)
