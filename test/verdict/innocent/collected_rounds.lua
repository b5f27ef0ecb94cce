-- Test runner: each suite builds its fixtures, runs, and is followed by a full collection.
local checkpoint = checkpoint or function() end

local passed, failed = 0, 0
local seed = 4242
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function fixtures(count)
  local users = {}
  for i = 1, count do
    users[i] = { name = "user" .. i, mail = "user" .. i .. "@example.org", age = 18 + random(50), friends = {} }
  end
  for i = 1, count do
    local friends = users[i].friends
    for k = 1, 4 do friends[k] = users[random(count)] end
  end
  return users
end

local tests = {}

function tests.has_mails(users)
  for _, user in ipairs(users) do
    if not user.mail:find("^%w+@[%w.]+$") then return false end
  end
  return true
end

function tests.groups(users)
  local groups = {}
  for _, user in ipairs(users) do
    local decade = math.floor(user.age / 10) * 10
    groups[decade] = groups[decade] or {}
    table.insert(groups[decade], user)
  end
  return groups[20] ~= nil and groups[90] == nil
end

function tests.friends(users)
  local count = 0
  for _, user in ipairs(users) do
    for _, friend in ipairs(user.friends) do count = count + (friend.age > user.age and 1 or 0) end
  end
  return count > 0
end

local function run_suite(size)
  local users = fixtures(size)
  for _, name in ipairs({ "has_mails", "groups", "friends" }) do
    if tests[name](users) then passed = passed + 1 else failed = failed + 1 end
  end
end

for suite = 1, 48 do
  for part = 1, 3 do run_suite(500 + suite % 7 * 100 + part) end
  collectgarbage()
  checkpoint()
end
print(passed, failed)
