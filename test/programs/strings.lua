-- Strings in every way that the libraries make them.
local kept = {}
for i = 1, 2000 do kept[i] = "string number " .. i end
print(#kept[2000], #table.concat(kept), #table.concat(kept, ", ", 10, 500))
print(#string.rep("abc", 100000), #string.rep("x", 1), #string.rep("", 1000))

local text = string.rep("the quick brown fox jumps over the lazy dog\n", 500)
local words = {}
for word in text:gmatch("%a+") do words[#words + 1] = word end
print(#words)
print(#text:gsub("%a+", function(word) return word:upper() .. #word end))
print(#text:gsub("(%a+) (%a+)", "%2 %1"))
print(#text:gsub("%a+", { the = "THE", dog = "cat" }))
print(text:find("lazy", 1, true), text:sub(5, 9), text:reverse():sub(1, 4))
print(string.format("%s %d %5.2f %q %x", "a", 12, 3.14159, "q\n", 255), #string.format("%s", text))
print(string.char(string.byte("hello", 1, 5)))

local accumulated = ""
for i = 1, 1000 do accumulated = accumulated .. i .. "," end
print(#accumulated)
local keys = {}
for i = 1, 1000 do keys[("k"):rep(i % 60) .. i] = i end
for i = 1, 500 do assert(#tostring(i + 0.5) > 0) end

local name = os.tmpname()
local file = assert(io.open(name, "w"))
for i = 1, 2000 do file:write("line ", i, "\n") end
file:close()
local lines = 0
for line in io.lines(name) do lines = lines + #line end
print(lines)
file = io.open(name)
print(#file:read("*a"))
file:close()
file = io.open(name)
local buffers = 0
while true do
  local block = file:read(1000)
  if not block then break end
  buffers = buffers + #block
end
print(buffers)
file:close()
os.remove(name)
if string.pack then print(#string.pack("i4i4z", 1, 2, "three")) end
if utf8 then print(utf8.char(228, 8364, 128512), utf8.len("äöü")) end
print(#os.date(), type(os.getenv("HOME")))
