-- Mail relay: mails come in waves; between the waves the queue is emptied.
local checkpoint = checkpoint or function() end

local queue, first, last = {}, 1, 0
local delivered, deferred = 0, 0

local seed = 15
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function enqueue(mail)
  last = last + 1
  queue[last] = mail
end

local function dequeue()
  local mail = queue[first]
  queue[first] = nil
  first = first + 1
  if first > last then first, last = 1, 0 end
  return mail
end

local function compose()
  local lines = {}
  for i = 1, 4 do lines[i] = "dear reader, number " .. random(10000) .. " has won" end
  return { to = "user" .. random(500) .. "@example.org", body = table.concat(lines, "\r\n"), attempts = 0 }
end

local function deliver(mail)
  mail.attempts = mail.attempts + 1
  if mail.attempts < 3 and random(8) == 1 then
    deferred = deferred + 1
    enqueue(mail)
  else
    delivered = delivered + 1
  end
end

for minute = 1, 54 do
  local incoming = minute % 6 < 3 and 1600 or 200
  for _ = 1, incoming do enqueue(compose()) end
  for _ = 1, 1100 do
    if last >= first then deliver(dequeue()) end
  end
  checkpoint()
end
print(delivered, deferred)
