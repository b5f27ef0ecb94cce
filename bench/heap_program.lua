-- A program with a heap of many objects, for bench/heap-run:
--   heap_program.lua OBJECTS wait              then waits for a line on stdin
--   heap_program.lua OBJECTS snapshot FILE N   then takes N snapshots of itself, FILE.1 to FILE.N
--   heap_program.lua OBJECTS end               then ends
-- The last two say how much of the process is in memory, in KiB.
-- Records with a name, a list, another record and a function with two upvalues: six objects each. A tenth of them is
-- made anew at the end, so that addresses are not in the order of the objects' ages. The same on every Lua.
local OBJECTS_PER_RECORD = 6
local objects, what = tonumber(arg[1]), arg[2]
local count = math.floor(objects / OBJECTS_PER_RECORD)
local seed = 1
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local records, by_name = {}, {}

local function new_record(number)
  local events = 0
  local record = {name = "record " .. number, peer = records[random(#records + 1)], tags = {number, "tag " .. number % 1000}}
  record.handler = function()
    events = events + 1
    return record
  end
  return record
end

for i = 1, count do
  records[i] = new_record(i)
  by_name[records[i].name] = records[i]
end
for i = 1, count / 10 do
  local at = random(count)
  by_name[records[at].name] = nil
  records[at] = new_record(count + i)
  by_name[records[at].name] = records[at]
end
collectgarbage()
collectgarbage()

if what == "wait" then
  io.write("ready\n")
  io.flush()
  io.read()
else
  print((io.open("/proc/self/status"):read("*a"):match("VmRSS:%s*(%d+)")))
end

if what == "snapshot" then
  local seepline = require "seepline"
  for i = 1, tonumber(arg[4]) do assert(seepline.snapshot(arg[3] .. "." .. i)) end
end
