-- Real-time loop: the collector is stopped and given one step per frame; recorded inputs are kept for a replay.
local checkpoint = checkpoint or function() end
collectgarbage("stop")
local replay = {}
local function input(frame) return { frame = frame, x = frame % 640, y = frame % 480, keys = { frame % 3 == 0, frame % 5 == 0 } } end --@leak
local score = 0
for frame = 1, 12000 do
  local event = input(frame)
  replay[#replay + 1] = event --@also
  local particles = {}
  for i = 1, 6 do particles[i] = { x = event.x + i, y = event.y - i } end
  score = score + #particles
  collectgarbage("step", 4)
  if frame % 300 == 0 then checkpoint() end
end
print(score, #replay)
