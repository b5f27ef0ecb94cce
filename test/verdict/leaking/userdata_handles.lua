-- Binding to a toolkit: each dialog gets a handle with a finalizer, and the table of handles holds it for ever.
local checkpoint = checkpoint or function() end

local Toolkit = { handles = {}, count = 0, closed = 0 }

-- A userdata where plain Lua can make one, else a table.
local function raw_handle(meta)
  if newproxy then
    local handle = newproxy(true) --@leak
    for key, value in pairs(meta) do getmetatable(handle)[key] = value end --@leak
    return handle
  end
  return setmetatable({ native = Toolkit.count, flags = 0 }, { __index = meta.__index, __gc = meta.__gc, __tostring = meta.__tostring }) --@leak
end

local handle_meta = {
  __index = { kind = "dialog" },
  __gc = function() Toolkit.closed = Toolkit.closed + 1 end,
  __tostring = function() return "handle" end,
}

local function open_dialog(title)
  Toolkit.count = Toolkit.count + 1
  local handle = raw_handle(handle_meta)
  Toolkit.handles[Toolkit.count] = handle --@also
  return { title = title, handle = handle, fields = {} }
end

local function fill(dialog, rows)
  for i = 1, rows do dialog.fields[i] = dialog.title .. " / field " .. i end
  return table.concat(dialog.fields, "\n")
end

local shown = 0
for session = 1, 32 do
  for i = 1, 800 do
    local dialog = open_dialog("dialog " .. i)
    shown = shown + #fill(dialog, 6 + i % 9) + #dialog.handle.kind + #tostring(dialog.handle)
  end
  checkpoint()
end
print(Toolkit.count, shown)
