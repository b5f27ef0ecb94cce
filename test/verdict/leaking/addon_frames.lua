-- Game addon: opening the bag builds new buttons each time; the addon's registry of frames knows them for ever.
local checkpoint = checkpoint or function() end

local addon = { frames = {}, skins = { dark = true, light = true } }
local counter = 0

local methods = {}
function methods:SetPoint(x, y) self.x, self.y = x, y end
function methods:Hide() self.shown = false end
function methods:Show() self.shown = true end
function methods:SetText(text) self.text = text end
local frame_meta = { __index = methods }

local function CreateFrame(kind, parent)
  counter = counter + 1
  local frame = setmetatable({ kind = kind, parent = parent, name = kind .. counter, shown = true, x = 0, y = 0 }, frame_meta) --@leak
  addon.frames[counter] = frame --@also
  return frame
end

local seed = 1701
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local ITEMS = { "Linen Cloth", "Healing Potion", "Rusty Sword", "Wolf Pelt" }

local function open_bag()
  local bag = { buttons = {}, title = CreateFrame("Title") }
  for slot = 1, 16 do
    local button = CreateFrame("Button", bag.title)
    button:SetPoint(slot % 4 * 32, math.floor(slot / 4) * 32)
    button:SetText(ITEMS[random(#ITEMS)])
    bag.buttons[slot] = button
  end
  return bag
end

local function close_bag(bag)
  for _, button in ipairs(bag.buttons) do button:Hide() end
  bag.title:Hide()
  bag.buttons = nil
end

local function combat_text()
  local lines = {}
  for i = 1, 12 do lines[i] = "Wolf hits you for " .. random(90) .. (random(5) == 1 and " (critical)" or "") end
  return #table.concat(lines, "\n")
end

local length = 0
for minute = 1, 30 do
  for second = 1, 1100 do
    if second % 30 == 0 then close_bag(open_bag()) end
    length = length + combat_text()
  end
  checkpoint()
end
print(counter, length)
