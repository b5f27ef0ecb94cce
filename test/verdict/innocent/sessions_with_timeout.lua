-- Web shop: a session dies when it was not used for 20 ticks; after the first minutes as many die as are made.
local checkpoint = checkpoint or function() end

local TIMEOUT = 20
local sessions, buckets = {}, {}
local now, next_id, expired = 0, 0, 0

local seed = 404
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function schedule(session)
  local due = now + TIMEOUT
  local bucket = buckets[due]
  if not bucket then
    bucket = {}
    buckets[due] = bucket
  end
  bucket[#bucket + 1] = session
end

local function open_session()
  next_id = next_id + 1
  local session = { id = next_id, last = now, basket = { "article" .. random(500) } }
  sessions[next_id] = session
  schedule(session)
end

local function use_session(id)
  local session = sessions[id]
  if session then
    session.last = now
    session.basket[random(3)] = "article" .. random(500)
  end
end

local function expire()
  local bucket = buckets[now]
  buckets[now] = nil
  for _, session in ipairs(bucket or {}) do
    if now - session.last >= TIMEOUT then
      sessions[session.id] = nil
      expired = expired + 1
    else
      schedule(session)
    end
  end
end

for tick = 1, 400 do
  now = tick
  expire()
  for _ = 1, 180 do open_session() end
  for _ = 1, 600 do use_session(next_id - random(2700)) end
  if tick % 10 == 0 then checkpoint() end
end
print("expired", expired)
