-- Variables that are closed at the end of their block, where the VM has them.
local load = loadstring or load
local source = [[
  local log = {}
  local function guard(name) return setmetatable({ name }, { __close = function(self) log[#log + 1] = { self[1] } end }) end
  do local a <close>, b <const> = guard("a"), { 1 } local c <close> = guard("c") end
  pcall(function() local d <close> = guard("d") error({}) end)
  local co = coroutine.wrap(function() local e <close> = guard("e") coroutine.yield() end)
  co()
  local f = coroutine.create(function() local g <close> = guard("g") coroutine.yield({}) end)
  coroutine.resume(f)
  coroutine.close(f)
  for i = 1, 200 do local h <close> = guard(i) if i % 2 == 0 then goto continue end ::continue:: end
  return #log
]]
local chunk = load(source, "=closing")
print(chunk and chunk() or "this VM has none")
local jumps = load("local t = {} local i = 0 ::again:: i = i + 1 t[i] = { i } if i < 500 then goto again end return #t")
print(jumps and jumps() or 500)
