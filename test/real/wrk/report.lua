-- What wrk runs for library.t: it asks for one page after the other, and keeps a record
-- of every answer, which it never looks at again: the leak.

local kept = {}
local asked = 0

function request()
  asked = asked + 1
  return wrk.format("GET", "/page/" .. asked % 50)
end

function response(status, _, body)
  kept[#kept + 1] = { status = status, text = body .. #kept }
end

function done(summary)
  local errors = summary.errors
  io.write(errors.connect + errors.read + errors.write + errors.status + errors.timeout, " failures\n")
end
