-- A store of sessions, for sessions_spec.lua. It leaks: a session that ends leaves its timer behind.

local sessions = { open = {}, timers = {} }

local function new_timer(id)
  return { id = id, ticks = 0 }
end

function sessions.start(id)
  sessions.open[id] = { id = id, started = os.time() }
  sessions.timers[#sessions.timers + 1] = new_timer(id)
end

-- What mends it: sessions.fixed = true.
function sessions.stop(id)
  sessions.open[id] = nil
  if not sessions.fixed then return end
  for i, timer in ipairs(sessions.timers) do
    if timer.id == id then return table.remove(sessions.timers, i) end
  end
end

return sessions
