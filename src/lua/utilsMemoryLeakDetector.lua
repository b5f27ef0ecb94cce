-- A drop-in for the script of that name: the same global, the same methods and the same rows, with the memory that is
-- still there, to the byte, where the script had what a line hook could see.
--
--     require "utilsMemoryLeakDetector"            -- records from here on
--     utilsMemoryLeakDetector:ShowRecord(30)       -- one row for each line of code, largest first
--     utilsMemoryLeakDetector:EndRecord()          -- and StopRecord, and StartRecord while it records
--
-- MEM is live KiB, COUNT the live blocks, AVG one by the other. Methods can be called with a dot as well. In a Dota 2
-- addon the console command debug_dump_lua_memory_detail [top_count] prints the rows.

local seepline = require "seepline"

-- The program may replace its globals later, or have a metatable on them; print alone is looked up when it is used.
local globals = _G
local error, pcall, rawset, tonumber, tostring, type = error, pcall, rawset, tonumber, tostring, type
local find, format, floor, min = string.find, string.format, math.floor, math.min

local ROWS_DEFAULT, ROWS_MAX = 30, 1e9

local function global(name)
  local found, value = pcall(function() return globals[name] end)
  return found and value or nil
end

local function say(text)
  local print = global("print")
  if print then print(text) end
end

local detector = {}
local recording = false

-- detector:method(x) and detector.method(x) give x.
local function argument(first, second)
  if first == detector then return second end
  return first
end

local function fail(message) say("utilsMemoryLeakDetector: " .. message) end

local function finish()
  recording = false
  local path, message = seepline.stop()
  if not path then fail(message) end
end

function detector.StartRecord()
  if recording then return finish() end
  local path, message = seepline.start()
  recording = path ~= nil or message == "already recording" -- by seepline.start, perhaps in another mode
  if not recording then fail(message) end
end

-- Rows without a line of code (blocks from before the recording, a C program's own) are none of the script's, nor is
-- what this file needs itself.
local OTHER_ROWS_MAX = 20
local function is_shown(row)
  return row.source and row.source ~= "=[C]" and not find(row.source, "utilsMemoryLeakDetector.lua", 1, true)
end

-- Where hooks record (mode line), the numbers are the script's own: what the line has gained, and how often.
local function numbers_of(row) return row.live_bytes or row.gain_bytes, row.live_count or row.gain_count end

local function print_rows(count)
  if count < 1 then return end
  local rows, message = seepline.top(floor(min(count, ROWS_MAX)) + OTHER_ROWS_MAX, { by = "line" })
  if not rows then return fail(message) end
  local shown = 0
  for i = 1, #rows do
    local row = rows[i]
    if shown + 1 > count then break end
    local bytes, blocks = numbers_of(row)
    if is_shown(row) and blocks > 0 then
      shown = shown + 1
      say(format("MemoryDump [MEM: %.14gK] [COUNT: %d ] [AVG: %.14g k] %s@%d:", bytes / 1024, blocks,
        bytes / 1024 / blocks, row.source, row.line))
    end
  end
end

function detector.ShowRecord(first, second)
  local count = argument(first, second)
  local number = count == nil and ROWS_DEFAULT or tonumber(count)
  if not number then
    error("bad argument #1 to 'ShowRecord' (a number of rows expected, got " .. type(count) .. ")", 2)
  end
  print_rows(number)
end

-- An older script printed its rows when it ended: with a count, so does this.
function detector.EndRecord(first, second)
  local count = tonumber((argument(first, second)))
  if count then print_rows(count) end
  if recording then finish() end
end

detector.StopRecord = detector.EndRecord

rawset(globals, "utilsMemoryLeakDetector", detector)
detector.StartRecord()

-- The console command of a Dota 2 addon in tools mode.
local function register_command()
  local is_in_tools_mode, convars, cheat = global("IsInToolsMode"), global("Convars"), global("FCVAR_CHEAT")
  if not (is_in_tools_mode and convars and cheat) or not is_in_tools_mode() then return end
  convars:RegisterCommand("debug_dump_lua_memory_detail", function(_, top_count)
    local count = tonumber(top_count)
    if not (count and count >= 1) then
      if top_count ~= nil and top_count ~= "" then
        fail("debug_dump_lua_memory_detail takes a number of rows, not '" .. tostring(top_count) .. "'")
      end
      count = ROWS_DEFAULT
    end
    print_rows(count)
  end, "Print the lines of Lua that hold the most memory", cheat)
end

register_command()

return detector
