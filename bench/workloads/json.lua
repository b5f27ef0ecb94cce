-- JSON: an encoder and a decoder in plain Lua, and documents that go through both and back.
--
-- Mental model: each round makes a document (nested tables, strings with characters to escape, numbers), encodes
-- it, decodes the text and encodes the result again; the two texts must be equal. The decoder makes strings
-- with sub and tables that grow one entry at a time, the encoder fills a buffer and joins it: what a web service does
-- all day. Object keys are written in sorted order, so that the text does not depend on the VM's hashing.
--
-- Argument: the number of documents (default 2000).

local DOCUMENT_COUNT = tonumber((...)) or 2000

local seed = 2024
local function random(limit)
  seed = (seed * 16807) % 2147483647
  return seed % limit
end

------------------------------------------------------------------------ encoding

local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function escape(character)
  return ESCAPES[character] or string.format("\\u%04x", character:byte())
end

local encode_value

local function encode_string(buffer, text)
  buffer[#buffer + 1] = '"' .. text:gsub('[%c"\\]', escape) .. '"'
end

local function encode_array(buffer, array)
  buffer[#buffer + 1] = "["
  for index = 1, #array do
    if index > 1 then
      buffer[#buffer + 1] = ","
    end
    encode_value(buffer, array[index])
  end
  buffer[#buffer + 1] = "]"
end

local function sorted_keys(object)
  local keys = {}
  for key in pairs(object) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

local function encode_object(buffer, object)
  buffer[#buffer + 1] = "{"
  for index, key in ipairs(sorted_keys(object)) do
    if index > 1 then
      buffer[#buffer + 1] = ","
    end
    encode_string(buffer, key)
    buffer[#buffer + 1] = ":"
    encode_value(buffer, object[key])
  end
  buffer[#buffer + 1] = "}"
end

function encode_value(buffer, value)
  local kind = type(value)
  if kind == "string" then
    encode_string(buffer, value)
  elseif kind == "number" then
    buffer[#buffer + 1] = string.format("%.14g", value)
  elseif kind == "boolean" then
    buffer[#buffer + 1] = tostring(value)
  elseif value[1] ~= nil then
    encode_array(buffer, value)
  else
    encode_object(buffer, value)
  end
end

local function encode(value)
  local buffer = {}
  encode_value(buffer, value)
  return table.concat(buffer)
end

------------------------------------------------------------------------ decoding
-- Every decoding function takes the text and a position, and gives a value and the position after it.

local UNESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local decode_value

local function fail(position, expected)
  error(string.format("JSON: %s expected at byte %d", expected, position))
end

local function skip_space(text, position)
  return text:find("%S", position) or #text + 1
end

local function unescape(character, digits)
  if character == "u" then
    return string.char(tonumber(digits, 16)) -- our own documents escape control characters alone
  end
  return UNESCAPES[character] .. digits
end

local function decode_string(text, position)
  local pieces, start = {}, position + 1
  while true do
    local stop = text:find('["\\]', start) or fail(start, "end of string")
    pieces[#pieces + 1] = text:sub(start, stop - 1)
    if text:byte(stop) == 34 then
      return table.concat(pieces), stop + 1
    end
    local character = text:sub(stop + 1, stop + 1)
    local digits = character == "u" and text:sub(stop + 2, stop + 5) or ""
    pieces[#pieces + 1] = unescape(character, digits)
    start = stop + 2 + #digits
  end
end

local function decode_number(text, position)
  local _, stop = text:find("^-?%d+%.?%d*[eE]?[+-]?%d*", position)
  if not stop then
    fail(position, "value")
  end
  return tonumber(text:sub(position, stop)), stop + 1
end

local function decode_array(text, position)
  local array = {}
  position = skip_space(text, position + 1)
  if text:sub(position, position) == "]" then
    return array, position + 1
  end
  while true do
    array[#array + 1], position = decode_value(text, position)
    position = skip_space(text, position)
    local separator = text:sub(position, position)
    if separator == "]" then
      return array, position + 1
    elseif separator ~= "," then
      fail(position, "comma or bracket")
    end
    position = position + 1
  end
end

local function decode_member(text, position, object)
  local key, value
  position = skip_space(text, position)
  if text:sub(position, position) ~= '"' then
    fail(position, "key")
  end
  key, position = decode_string(text, position)
  position = skip_space(text, position)
  if text:sub(position, position) ~= ":" then
    fail(position, "colon")
  end
  value, position = decode_value(text, position + 1)
  object[key] = value
  return skip_space(text, position)
end

local function decode_object(text, position)
  local object = {}
  position = skip_space(text, position + 1)
  if text:sub(position, position) == "}" then
    return object, position + 1
  end
  while true do
    position = decode_member(text, position, object)
    local separator = text:sub(position, position)
    if separator == "}" then
      return object, position + 1
    elseif separator ~= "," then
      fail(position, "comma or brace")
    end
    position = position + 1
  end
end

local function decode_word(text, position)
  if text:sub(position, position + 3) == "true" then
    return true, position + 4
  elseif text:sub(position, position + 4) == "false" then
    return false, position + 5
  end
  return decode_number(text, position)
end

local DECODERS = { ['"'] = decode_string, ["["] = decode_array, ["{"] = decode_object }

function decode_value(text, position)
  position = skip_space(text, position)
  local decoder = DECODERS[text:sub(position, position)] or decode_word
  return decoder(text, position)
end

local function decode(text)
  local value, position = decode_value(text, 1)
  if skip_space(text, position) <= #text then
    fail(position, "end of text")
  end
  return value
end

------------------------------------------------------------------------ documents

local NOTES = { "plain", 'with "quotes"', "two\nlines", "tab\tand \1 control", "back\\slash", "" }

local function make_item(number)
  return {
    id = number,
    price = random(100000) / 4,
    note = NOTES[random(#NOTES) + 1],
    in_stock = random(2) == 0,
    tags = { "tag" .. random(50), "tag" .. random(50), "tag" .. random(50) },
  }
end

local function make_document(number)
  local items = {}
  for index = 1, 20 do
    items[index] = make_item(number * 100 + index)
  end
  local customer = { name = "customer " .. random(1000), vip = random(9) == 0 }
  return { name = "order " .. number, customer = customer, items = items }
end

local total_length, kept = 0, {}
for number = 1, DOCUMENT_COUNT do
  local text = encode(make_document(number))
  local document = decode(text)
  assert(encode(document) == text, "a document changed on its round trip")
  kept[number % 100 + 1] = document
  total_length = total_length + #text
end
print(string.format("json %d: %d bytes of text, first item kept costs %.2f",
  DOCUMENT_COUNT, total_length, kept[DOCUMENT_COUNT % 100 + 1].items[1].price))
