-- What modules.t runs: two modules in C at work. LPeg allocates its patterns with what
-- lua_getallocf gave it, past the VM's own count; cjson with malloc and the Lua API.

local cjson = require "cjson"
local lpeg = require "lpeg"
local re = require "re"

local KEPT_PATTERNS = 40

local records = re.compile [[
  records <- {| (record %nl)* |}
  record  <- {| field (',' field)* |}
  field   <- '"' {~ ([^"] / '""' -> '"')* ~} '"' / { [^,%nl"]* }
]]

local function make_text(count)
  local lines = {}
  for i = 1, count do
    lines[i] = i .. ',"name ""' .. i .. '""",' .. i * i % 101 .. "\n"
  end
  return table.concat(lines)
end

local function keep_patterns()
  local kept = {}
  for i = 1, KEPT_PATTERNS do
    kept[i] = lpeg.P("word" .. i) * lpeg.R("az", "09") ^ 1 / string.upper
  end
  return kept
end

patterns = keep_patterns()
parsed = records:match(make_text(2000))
local encoded = cjson.encode(parsed)
decoded = cjson.decode(encoded)
print(#parsed, parsed[7][2], #encoded, decoded[2000][1], patterns[3]:match("word3abc"))
print(pcall(re.compile, "<-"))
print(pcall(cjson.decode, "[1,"))
os.exit(0) -- without closing the state, in which LPeg's patterns would be finalized
