-- Plugin host: reloading a plugin adds its hooks again. A small program.
local checkpoint = checkpoint or function() end
local hooks = { save = {}, load = {}, close = {} }
local function add_hook(name, fn) hooks[name][#hooks[name] + 1] = fn end --@also
local function load_plugin(number)
  local settings = { number = number, level = number % 5 } --@leak
  add_hook("save", function() return settings.number end) --@leak
  add_hook("load", function() return settings.level end) --@leak
  return settings
end
local function fire(name)
  local results = {}
  for i = #hooks[name], math.max(1, #hooks[name] - 5), -1 do results[#results + 1] = hooks[name][i]() end
  return #results
end
local fired = 0
for reload = 1, 300 do
  load_plugin(reload)
  fired = fired + fire("save") + fire("load")
  if reload % 10 == 0 then checkpoint() end
end
print(fired)
