-- LuaJIT: cdata of all kinds, with finalizers.
if not jit then print("no jit") return end
local ffi = require "ffi"
ffi.cdef "typedef struct seep_point { double x, y; } seep_point; typedef struct { int n; char text[?]; } seep_text;"
kept = {}
for i = 1, 2000 do
  kept[#kept + 1] = ffi.new("seep_point", i, i)
  if i % 10 == 0 then kept[#kept + 1] = ffi.new("seep_text", i) end
  if i % 10 == 5 then kept[#kept + 1] = ffi.new("int[?]", i) end
  local boxed = ffi.new("int64_t", i)
  if i % 10 == 7 then kept[#kept + 1] = boxed + 1 end
end
local sum = 0
for i = 1, #kept do if ffi.istype("seep_point", kept[i]) then sum = sum + kept[i].x end end
print(sum)
local freed = 0
for i = 1, 500 do ffi.gc(ffi.new("seep_point"), function() freed = freed + 1 local t = { freed } end) end
collectgarbage()
collectgarbage()
print(freed)
print(ffi.string(ffi.new("char[6]", "hello")), #ffi.string(ffi.new("char[100]"), 100))
local Point = ffi.metatype("seep_point", { __add = function(a, b) return ffi.new("seep_point", a.x + b.x, a.y + b.y) end })
local p = Point(1, 1)
for i = 1, 5000 do p = p + Point(1, 2) end
print(p.x, p.y)
local callback = ffi.cast("int (*)(int)", function(n) kept[#kept + 1] = { n } return n end)
for i = 1, 10 do callback(i) end
callback:free()
print(#kept)
