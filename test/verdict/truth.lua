-- truth.lua: does a program's label hold?  lua test/verdict/truth.lua PROGRAM
--
-- The label is the folder that the program lies in: `leaking` or `innocent`. The program is run with a global function
-- `checkpoint`, which it calls at even intervals. Each call collects all garbage and notes how much memory is left, so
-- the series that comes out is what the program really holds, whatever the collector would have done on its own.
-- Nothing of Seepline takes part.
--
-- Exit status: 0 the series supports the label, 1 it does not, 2 the program cannot be judged, 77 the program says that
-- it cannot run on this VM.

local MOST_CHECKPOINTS = 60
local FEWEST_CHECKPOINTS = 24
local NOISE_KB = 8           -- string table, collector's own lists, compiled traces: moves of this size say nothing
local LEAST_LEAK_KB = 16     -- in the second half of the run

local path = arg[1]
if not path or arg[2] then
  io.stderr:write("usage: lua test/verdict/truth.lua PROGRAM\n")
  os.exit(2)
end

-- ------------------------------------------------------------------ running the program

-- In Lua 5.1 and LuaJIT any collection starts a stopped collector again, so one must know whether it was stopped.
local collection_restarts = _VERSION == "Lua 5.1"
local plain_collectgarbage = collectgarbage
local is_stopped = false

function collectgarbage(option, ...)
  if option == "stop" then
    is_stopped = true
  elseif option == "restart" then
    is_stopped = false
  elseif collection_restarts and (option == nil or option == "collect" or option == "step") then
    is_stopped = false
  end
  return plain_collectgarbage(option, ...)
end

-- Compiled traces are memory of the VM's, and they come and go by rules of its own.
if jit then jit.off() end

-- Filled beforehand, so that noting a size allocates nothing.
local sizes_kb, count = {}, 0
for i = 1, MOST_CHECKPOINTS + 1 do sizes_kb[i] = 0.5 end

-- Twice: what has a finalizer is freed by the collection after the one that runs it.
function checkpoint()
  plain_collectgarbage("collect")
  plain_collectgarbage("collect")
  if is_stopped and collection_restarts then plain_collectgarbage("stop") end
  count = count + 1
  if count <= MOST_CHECKPOINTS then sizes_kb[count] = plain_collectgarbage("count") end
end

local function run_program()
  local program, message = loadfile(path)
  if not program then return message end
  arg = { [0] = path }
  local ok, failure = pcall(program)
  if not ok then return tostring(failure) end
  if count < FEWEST_CHECKPOINTS or count > MOST_CHECKPOINTS then
    return count .. " checkpoints; it must have " .. FEWEST_CHECKPOINTS .. " to " .. MOST_CHECKPOINTS
  end
end

-- ------------------------------------------------------------------ judging the series

-- A size that is met once and gone at the next checkpoint says nothing (the string table has just been doubled, and is
-- halved again), so the series is judged by the median of each three sizes.
local smooth_kb = {}
local function smooth()
  for i = 1, count do
    local a, b, c = sizes_kb[math.max(1, i - 1)], sizes_kb[i], sizes_kb[math.min(count, i + 1)]
    smooth_kb[i] = math.max(math.min(a, b), math.min(math.max(a, b), c))
  end
end

-- Least and largest size between two fractions of the run.
local function range(from, to)
  local first, last = math.floor(from * count) + 1, math.floor(to * count)
  if last < first then last = first end
  local least, largest = math.huge, -math.huge
  for i = first, last do
    least, largest = math.min(least, smooth_kb[i]), math.max(largest, smooth_kb[i])
  end
  return least, largest
end

-- How much the series rises above the largest size seen until `from`, between there and `to`.
local function rise(from, to)
  local _, before = range(math.max(0, from - 0.09), from)
  local _, largest = range(from, to)
  return largest - before
end

-- The last third adds next to nothing to the whole, and much less than the third before it (a slow leak beside a large
-- heap adds little as well, but as much as before).
local function is_flat()
  local least, largest = range(0, 1)
  local last, middle = rise(2 / 3, 1), rise(1 / 3, 2 / 3)
  if last <= NOISE_KB then return true end
  return last < 0.03 * (largest - least) and last < 0.25 * middle + NOISE_KB
end

-- Of all pairs of sizes in the last half that differ: how many more have the later one larger than have it smaller, as
-- a share of them (Kendall's tau). 1: it only rises; near 0: it goes up and down.
local function trend()
  local up, down = 0, 0
  for i = math.floor(count / 2) + 1, count do
    for j = i + 1, count do
      if sizes_kb[j] > sizes_kb[i] then up = up + 1 elseif sizes_kb[j] < sizes_kb[i] then down = down + 1 end
    end
  end
  return up + down == 0 and 0 or (up - down) / (up + down)
end

-- The floor under the series rises in its second half, and still does in its last quarter.
local function is_growing()
  local at_half, at_three_quarters, at_end = range(0.38, 0.5), range(0.65, 0.75), range(0.9, 1)
  local growth = at_end - at_half
  return growth >= LEAST_LEAK_KB and at_end - at_three_quarters >= 0.1 * growth
end

local function judge()
  if is_flat() or trend() < 0.5 then return "innocent" end
  return is_growing() and "leaking" or "unclear"
end

-- ------------------------------------------------------------------ saying it

local function print_series()
  for first = 1, count, 10 do
    local line = {}
    for i = first, math.min(first + 9, count) do line[#line + 1] = string.format("%9.1f", sizes_kb[i]) end
    print(string.format("%3d %s", first, table.concat(line)))
  end
end

local label = path:match("([^/]+)/[^/]+$")
local failure = run_program()
if failure then
  io.stderr:write(path, ": ", failure, "\n")
  os.exit(2)
end
print_series()
smooth()
local found = judge()
print(string.format("KB: start %.1f, at 1/3 %.1f, at 2/3 %.1f, end %.1f",
  sizes_kb[1], sizes_kb[math.ceil(count / 3)], sizes_kb[math.ceil(count * 2 / 3)], sizes_kb[count]))
if label ~= "leaking" and label ~= "innocent" then
  print("the series looks " .. found .. "; the program has no label (it lies in neither leaking/ nor innocent/)")
  os.exit(2)
end
print("the series looks " .. found .. ", the label is " .. label .. ": " .. (found == label and "supported" or "NOT SUPPORTED"))
os.exit(found == label and 0 or 1)
