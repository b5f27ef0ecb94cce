-- What references are called: run with the path of the probe, prints every edge of the heap.
local probe = assert(package.loadlib((...), "luaopen_probe"))()
local function stands(first_local, ...)
  local second_local = {}
  do local gone = {} end
  local captured = {}
  local function reads_captured() return captured end
  for index_name, value_name in pairs({a_field = {}}) do
    coroutine.yield(reads_captured)
  end
  return first_local, second_local
end
local co = coroutine.create(stands)
coroutine.resume(co, {}, {}, {})
a_global = {field = {inner = {}}, [7] = {}, [1.5] = {}, [true] = {}, [co] = {}}
setmetatable(a_global, {__mode = "v", __index = a_global})
package.loaded.a_module = {exported = a_global}
local up_by_name = {}
function a_function() return up_by_name, "a constant" end
probe.edges()
