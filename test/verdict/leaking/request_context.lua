-- Web framework: copy() is used for headers, cookies and sessions; only the copies in the audit trail stay.
local checkpoint = checkpoint or function() end
local function copy(from)
  local to = {} --@leak
  for key, value in pairs(from) do to[key] = value end --@leak
  return to
end
local defaults = { host = "localhost", accept = "text/html", agent = "robot", lang = "en" }
local trail = {}
local function audit(request) trail[#trail + 1] = copy(request.headers) end --@caller
local function handle(number)
  local request = { headers = copy(defaults), cookies = copy({ id = number }) }
  request.headers.id = number
  local response = copy(request.cookies)
  if number % 20 == 0 then audit(request) end
  return response.id
end
local sum = 0
for round = 1, 40 do
  for i = 1, 2500 do sum = sum + handle(round * 2500 + i) end
  checkpoint()
end
print(sum, #trail)
