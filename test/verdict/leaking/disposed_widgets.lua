-- Widgets observe a model; dispose() forgets to stop observing.
local checkpoint = checkpoint or function() end
local function class(base)
  local c = {}
  c.__index = c
  return setmetatable(c, { __index = base, __call = function(self, ...)
    local object = setmetatable({}, self)
    object:init(...)
    return object
  end })
end
local Model = class()
function Model:init() self.value, self.observers = 0, {} end
function Model:observe(fn) table.insert(self.observers, fn) end --@also
function Model:set(value)
  self.value = value
  if value % 50 == 0 then for _, fn in ipairs(self.observers) do fn(value) end end
end
local Widget = class()
function Widget:init(model, x)
  self.x, self.text = x, ""
  self.style = { margin = 2, color = "black" } --@also
  model:observe(function(value) self.text = "value " .. value end) --@leak
end
function Widget:dispose() self.style = nil end

local model = Model()
for step = 1, 3000 do
  local widgets = {}
  for i = 1, 12 do widgets[i] = Widget(model, i) end
  model:set(step)
  for _, widget in ipairs(widgets) do widget:dispose() end
  if step % 100 == 0 then checkpoint() end
end
print(#model.observers)
