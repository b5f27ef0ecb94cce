-- Strings: building, cutting, formatting and interning text.
--
-- Mental model: a little log processor. Each step makes a line of text with string.format and `..`, takes it apart
-- again with gmatch, gsub and sub, and joins the parts with table.concat. Most strings die at once; a dictionary
-- of words and a ring of the most recent lines stay alive. Strings of more than 40 bytes are made as well,
-- because those are not interned.
--
-- Argument: the number of lines (default 100000).

local LINE_COUNT = tonumber((...)) or 100000
local RING_SIZE = 4096

local seed = 42
local function random(limit)
  seed = (seed * 16807) % 2147483647
  return seed % limit + 1
end

local LEVELS = { "debug", "info", "notice", "warning", "error" }
local VERBS = { "opened", "closed", "reset", "queued", "retried", "dropped" }

local function make_line(number)
  local level, verb = LEVELS[random(#LEVELS)], VERBS[random(#VERBS)]
  return string.format("%06d [%s] connection-%d %s", number, level, random(5000), verb)
    .. " by client " .. random(255) .. "." .. random(255) .. " after " .. random(100000) .. " bytes"
end

local dictionary, word_count = {}, 0
local function learn_words(line)
  for word in line:gmatch("[%w%-]+") do
    if not dictionary[word] then
      dictionary[word] = true
      word_count = word_count + 1
    end
  end
end

local function redact(line)
  local hidden = line:gsub("%d+%.%d+", "x.x")
  return hidden:sub(1, 6) .. "|" .. hidden:sub(8):upper()
end

local function join_fields(line)
  local fields = {}
  for field in line:gmatch("%S+") do
    fields[#fields + 1] = field
  end
  return table.concat(fields, "\t")
end

local ring = {}
local total_length = 0
for number = 1, LINE_COUNT do
  local line = make_line(number)
  learn_words(line)
  local joined = join_fields(redact(line))
  ring[(number - 1) % RING_SIZE + 1] = joined
  total_length = total_length + #joined
end

local tail_length = 0
for _, line in ipairs(ring) do
  tail_length = tail_length + #line
end
print(string.format("strings %d: %d bytes made, %d words known, %d bytes kept",
  LINE_COUNT, total_length, word_count, tail_length))
