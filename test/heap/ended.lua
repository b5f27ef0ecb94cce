-- Leaks into a local variable of the main chunk, then ends in the way that its first argument says.
local way, unused, kept = ..., nil, {}
do
  local gone, gone_too = {"of a block"}, {"of a block"}
end
local named = {first = {"held by named"}}
local function put(i)
  kept[#kept + 1] = {id = i, data = {}}
end
for round = 1, 40 do
  for i = 1, 100 do put(i) end
  collectgarbage()
end
shared = {"held by a global"}
local also = shared
if way == "early" then return end
local late = {{"held by late"}, tostring(way)}
print(#late)
if way == "return" then return kept, also, unused end
if way == "error" then error("as planned") end
if way == "exit" then os.exit(0) end
if way == "close" then os.exit(3, true) end
if way == "finalizers" then
  local function finalize()
    for _ = 1, 10000 do unused = {} end
    collectgarbage()
  end
  if newproxy then getmetatable(newproxy(true)).__gc = finalize else setmetatable({}, {__gc = finalize}) end
end
