-- Counters in nested tables that come into being when they are read.
local checkpoint = checkpoint or function() end
local function tree()
  return setmetatable({}, { __index = function(self, key) --@leak
    local child = tree() --@leak
    rawset(self, key, child) --@also
    return child
  end })
end
local stats = tree()
local function lookup(user, day) return rawget(stats[user][day], "visits") or 0 end
local function visit(user, day) stats[user][day].visits = lookup(user, day) + 1 end
local seen = 0
for day = 1, 48 do
  for user = 1, 200 do
    if user % 10 == 0 then visit(user, 1) end
    seen = seen + lookup(user, day * 200)
  end
  checkpoint()
end
print(seen)
