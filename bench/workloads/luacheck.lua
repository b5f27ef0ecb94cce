-- Luacheck: a real program, checking a real library.
--
-- Mental model: luacheck (a linter of some 10,000 lines, all in Lua) parses and analyses every file of Penlight.
-- Nobody wrote it with a profiler in mind: deep call paths from many files, syntax trees of small tables, strings
-- cut by the lexer, and everything dropped again when a pass ends.
--
-- Debian installs luacheck for 5.1 and LuaJIT alone, but its source runs on every Lua, so other VMs are shown that
-- folder too, behind their own ones. Where luacheck or Penlight is missing, the program says so on stderr and ends
-- with status 77, which the bench reads as "skipped".
--
-- Argument: the number of passes over all files (default 2).

local PASS_COUNT = tonumber((...)) or 2
local SKIPPED = 77
local SHARED_FOLDERS = { "/usr/share/lua/5.1", "/usr/local/share/lua/5.1" }

local PENLIGHT_MODULES = {
  "Date", "List", "Map", "MultiMap", "OrderedMap", "Set", "app", "array2d", "class", "compat", "comprehension",
  "config", "data", "dir", "file", "func", "import_into", "init", "input", "lapp", "lexer", "luabalanced", "operator",
  "path", "permute", "pretty", "seq", "sip", "strict", "stringio", "stringx", "tablex", "template", "test", "text",
  "types", "url", "utils", "xml",
}

local function skip(reason)
  io.stderr:write("skipped: ", reason, "\n")
  os.exit(SKIPPED)
end

-- This very file is named like the module, so the current folder must not be searched.
local function hide_current_folder()
  package.path = (";" .. package.path .. ";"):gsub(";%./[^;]*", ""):gsub("^;+", ""):gsub(";+$", "")
end

local function load_luacheck()
  hide_current_folder()
  for _, folder in ipairs(SHARED_FOLDERS) do
    package.path = package.path .. ";" .. folder .. "/?.lua;" .. folder .. "/?/init.lua"
  end
  local ok, luacheck = pcall(require, "luacheck")
  if not ok then
    skip("luacheck cannot be loaded (package lua-check): " .. tostring(luacheck):match("^[^\n]*"))
  end
  return luacheck
end

local function read_module(name)
  for template in package.path:gmatch("[^;]+") do
    local file = io.open((template:gsub("%?", "pl/" .. name)), "rb")
    if file then
      local text = file:read("*a")
      file:close()
      return text
    end
  end
end

local function read_penlight()
  local sources = {}
  for _, name in ipairs(PENLIGHT_MODULES) do
    sources[#sources + 1] = read_module(name)
  end
  if #sources == 0 then
    skip("Penlight's sources are not installed (package lua-penlight)")
  end
  return sources
end

local luacheck = load_luacheck()
local sources = read_penlight()
local report
for _ = 1, PASS_COUNT do
  report = luacheck.check_strings(sources)
end
print(string.format("luacheck %d: %d files, %d warnings, %d errors, %d fatal",
  PASS_COUNT, #sources, report.warnings, report.errors, report.fatals))
