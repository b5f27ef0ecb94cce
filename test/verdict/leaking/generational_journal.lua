-- Accounting: the journal of bookings is kept in full, with the generational collector where there is one.
local checkpoint = checkpoint or function() end

pcall(collectgarbage, "generational")

local journal, balances = {}, {}
local seed = 1494
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function booking(from, to, amount)
  return { from = from, to = to, amount = amount, text = "transfer from " .. from .. " to " .. to } --@leak
end

local function apply(entry)
  balances[entry.from] = (balances[entry.from] or 1000) - entry.amount
  balances[entry.to] = (balances[entry.to] or 1000) + entry.amount
end

local function validate(entry)
  local problems = {}
  if entry.amount <= 0 then problems[#problems + 1] = "amount" end
  if entry.from == entry.to then problems[#problems + 1] = "same account " .. entry.from end
  return problems
end

local function statement(account, count)
  local lines = { "account " .. account }
  for i = #journal, math.max(1, #journal - count), -1 do
    local entry = journal[i]
    if entry.from == account or entry.to == account then lines[#lines + 1] = entry.text .. ": " .. entry.amount end
  end
  return table.concat(lines, "\n")
end

local refused, printed = 0, 0
for day = 1, 40 do
  for _ = 1, 1200 do
    local entry = booking("A" .. random(60), "A" .. random(60), random(100))
    if #validate(entry) == 0 then
      apply(entry)
      journal[#journal + 1] = entry --@also
    else
      refused = refused + 1
    end
  end
  for account = 1, 60 do printed = printed + #statement("A" .. account, 700) end
  checkpoint()
end
print(#journal, refused, printed)
