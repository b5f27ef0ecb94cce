-- The line-hook script: the thing that Seepline replaces, for comparison.
--
-- Mental model: a line hook reads collectgarbage("count") before every line that runs. If the count has grown since
-- the last reading, the growth is charged to `source@line` of the line that is about to run. This is the script
-- that many Lua developers carry around, written anew; its faults belong to it and are kept on purpose:
--   * the growth was made by the line before, and is charged to the line after;
--   * frees are not seen, and a line that triggers a collection looks as if it had allocated nothing;
--   * on PUC Lua a coroutine inherits the hook but debug.sethook keeps one Lua function per thread and finds none:
--     coroutines are blind spots that are slow all the same. On LuaJIT hooks are global;
--   * on LuaJIT every hook call aborts the trace that is being recorded, so hardly anything gets compiled.
--
-- Use:  lua -e 'dofile("bench/line_hook.lua")' program.lua arguments…
-- The list goes to stderr when the program ends, so the program's own stdout stays as it is. LINE_HOOK_ROWS sets the
-- number of rows (default 30).

local collectgarbage, getinfo, sethook = collectgarbage, debug.getinfo, debug.sethook
local row_limit = tonumber(os.getenv("LINE_HOOK_ROWS") or "") or 30

local rows = {} -- "source@line" -> { kibibytes = growth so far, count = times that growth was seen }
local previous_kibibytes = 0

local function charge(place, growth)
  local row = rows[place]
  if not row then
    row = { kibibytes = 0, count = 0 }
    rows[place] = row
  end
  row.kibibytes = row.kibibytes + growth
  row.count = row.count + 1
end

-- The count is read once more after a charge, so that the memory of the hook itself is charged to nobody.
local function on_line(_, line)
  local kibibytes = collectgarbage("count")
  local growth = kibibytes - previous_kibibytes
  if growth > 0 then
    charge(getinfo(2, "S").source .. "@" .. line, growth)
    kibibytes = collectgarbage("count")
  end
  previous_kibibytes = kibibytes
end

local function sorted_places()
  local places = {}
  for place in pairs(rows) do
    places[#places + 1] = place
  end
  table.sort(places, function(a, b)
    if rows[a].kibibytes ~= rows[b].kibibytes then
      return rows[a].kibibytes > rows[b].kibibytes
    end
    return a < b
  end)
  return places
end

local function print_top()
  local places = sorted_places()
  for index = 1, math.min(row_limit, #places) do
    local row = rows[places[index]]
    io.stderr:write(string.format("MemoryDump [MEM: %.3fK] [COUNT: %d ] [AVG: %.3f k] %s:\n",
      row.kibibytes, row.count, row.kibibytes / row.count, places[index]))
  end
end

local finished = false
local function finish()
  if not finished then
    finished = true
    sethook()
    print_top()
  end
end

-- There is no exit hook in Lua. An object whose finaliser runs when the state closes stands in for one.
local function run_at_close(action)
  if newproxy then -- 5.1 and LuaJIT: tables have no finalisers
    local proxy = newproxy(true)
    getmetatable(proxy).__gc = action
    return proxy
  end
  return setmetatable({}, { __gc = action })
end

-- os.exit leaves without closing the state, so that no finaliser would run.
local real_exit = os.exit
os.exit = function(...) -- luacheck: ignore 122
  finish()
  return real_exit(...)
end

-- The registry keeps the object alive until the state closes.
debug.getregistry()["line_hook.at_close"] = run_at_close(finish)
previous_kibibytes = collectgarbage("count")
sethook(on_line, "l")
