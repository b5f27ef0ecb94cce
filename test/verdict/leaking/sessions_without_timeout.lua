-- Login service: a session is made at each login; those who never log out are never forgotten.
local checkpoint = checkpoint or function() end

local sessions = {}
local stats = { logins = 0, logouts = 0, requests = 0 }
local state = 123456789

local function roll(sides)
  state = (state * 48271) % 2147483647
  return state % sides + 1
end

local function new_token()
  local parts = {}
  for i = 1, 4 do parts[i] = string.format("%04x", roll(65536) - 1) end
  return table.concat(parts, "-") .. "-" .. stats.logins --@also
end

local function login(user)
  stats.logins = stats.logins + 1
  local token = new_token()
  local rights = { read = true, write = roll(3) == 1, admin = false } --@leak
  sessions[token] = { user = user, rights = rights, basket = {}, visits = 0 } --@leak
  return token
end

local function request(token)
  local session = sessions[token]
  session.visits = session.visits + 1
  stats.requests = stats.requests + 1
  local answer = {}
  for i = 1, 5 do answer[i] = session.user .. ":" .. i .. ":" .. tostring(session.rights.write) end
  return #table.concat(answer, ",")
end

local function logout(token)
  sessions[token] = nil
  stats.logouts = stats.logouts + 1
end

local bytes = 0
for hour = 1, 24 do
  for _ = 1, 900 do
    local token = login("user" .. roll(900))
    for _ = 1, 3 do bytes = bytes + request(token) end
    if roll(10) <= 6 then logout(token) end
  end
  checkpoint()
end
print(stats.logins, stats.requests, bytes > 0)
