-- Physics: forces are memoised under a key made from two positions with all their digits.
local checkpoint = checkpoint or function() end
local memo = {}
local function force(a, b)
  local key = string.format("%.10f|%.10f", a, b) --@leak
  local known = memo[key]
  if known then return known end
  local d = a - b + 1e-9
  local result = 1 / (d * d)
  memo[key] = result --@also
  return result
end
local bodies = {}
for i = 1, 20 do bodies[i] = { x = i * 1.5, v = 0 } end
for frame = 1, 250 do
  for i, body in ipairs(bodies) do
    local f = 0
    for k, other in ipairs(bodies) do
      if k ~= i then f = f + force(body.x, other.x) end
    end
    body.v = body.v * 0.9 + f * 0.001
  end
  for _, body in ipairs(bodies) do body.x = body.x + body.v end
  if frame % 8 == 0 then checkpoint() end
end
print(#bodies)
