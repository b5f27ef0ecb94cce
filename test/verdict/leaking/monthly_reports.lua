-- Every tenth round makes a large report, and the archive keeps them all.
local checkpoint = checkpoint or function() end
local archive = {}
local function make_report(month)
  local rows = {}
  for i = 1, 700 do rows[i] = { name = "customer " .. i, sum = i * month, month = month } end --@leak
  return rows
end
local function daily(day)
  local sums = {}
  for i = 1, 1500 do
    local sale = { item = i % 40, price = i * day % 97 }
    sums[sale.item] = (sums[sale.item] or 0) + sale.price
  end
  return sums
end
local checked = 0
for day = 1, 60 do
  for _ = 1, 6 do checked = checked + daily(day)[1] end
  if day % 6 == 0 then archive[#archive + 1] = make_report(day / 6) end
  checkpoint()
end
print(checked, #archive)
