-- Editor: undo remembers the last 150 changes.
local checkpoint = checkpoint or function() end

local Editor = {}
Editor.__index = Editor

local function new_editor(lines)
  local editor = setmetatable({ lines = {}, undo = {}, redo = {}, limit = 150 }, Editor)
  for i = 1, lines do editor.lines[i] = "line number " .. i .. " with some text in it" end
  return editor
end

function Editor:push(change)
  table.insert(self.undo, change)
  if #self.undo > self.limit then table.remove(self.undo, 1) end
end

function Editor:replace(number, text)
  self:push({ kind = "replace", number = number, before = self.lines[number], after = text })
  self.lines[number] = text
  self.redo = {}
end

function Editor:undo_one()
  local change = table.remove(self.undo)
  if not change then return end
  self.lines[change.number] = change.before
  self.redo[#self.redo + 1] = change
end

function Editor:text()
  return table.concat(self.lines, "\n")
end

local seed = 19
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local editor, length = new_editor(260), 0
for minute = 1, 40 do
  for key = 1, 2000 do
    local number = random(260)
    editor:replace(number, editor.lines[number]:gsub("%a+", "w" .. random(500), 1):sub(1, 60))
    if random(12) == 1 then editor:undo_one() end
    if key % 25 == 0 then length = length + #editor:text() end
  end
  checkpoint()
end
print("length", length > 0)
